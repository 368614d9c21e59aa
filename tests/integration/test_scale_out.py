"""The page that leads from one machine to many, followed to the letter: every command, against real servers."""

import asyncio
import os
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.core.servers import Temporal
from tests.integration.servers import need_temporal
from tests.running import EVERY, SKLEARN
from tests.waiting import eventually, free_port

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "how-to" / "scale-out.md"
SECONDS = 170.0
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.timeout(200),
    pytest.mark.skipif(not SKLEARN.exists(), reason="the scikit-learn trainer's environment is not installed"),
    pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed"),
]


@pytest.fixture
def temporal() -> Iterator[Temporal]:
    need_temporal()
    server = Temporal()
    yield server
    server.close()


def script(ports: list[int], servers: dict[str, str]) -> str:
    """The page's commands, with this machine's servers instead of those it names."""
    text = "\n".join(re.findall(r"^```bash\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL))
    for name, value in servers.items():
        text, count = re.subn(rf"\b{name}=\S+", lambda _, name=name, value=value: f"{name}='{value}'", text)
        assert count == 1, f"the page sets {name} once"
    # Two ports in a row, as on the page: only their beginning is another one here.
    assert ports[1] == ports[0] + 1
    text = text.replace("800$((number % 2 + 1))", f"$(({ports[0]} + number % 2))").replace(
        "800$number", f"$(({ports[0] - 1} + number))"
    )
    return "set -euo pipefail\n" + text.replace(":8001", f":{ports[0]}").replace(":8002", f":{ports[1]}")


def two_ports() -> list[int]:
    first = free_port()
    while (second := free_port()) != first + 1:
        first = second
    return [first, second]


def started_in(folder: Path) -> list[int]:
    """What still runs in a folder: where a command fails, the page's last one, which ends all, is not reached."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (entry / "cwd").resolve().is_relative_to(folder):
                found.append(int(entry.name))
        except OSError:
            continue  # it has ended in between
    return found


async def test_the_page_leads_to_three_agents_two_backends_and_a_trained_model(
    tmp_path: Path, postgres_url: str, s3_url: str, s3_environment: dict[str, str], temporal: Temporal
) -> None:
    servers = {
        "DATABASE_URL": postgres_url, "STORAGE_URL": s3_url, "TEMPORAL_ADDRESS": temporal.address, **s3_environment,
    }  # fmt: skip
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("VTP_", "AWS_"))}
    paths = {"PATH": f"{ROOT / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": f"{ROOT / 'backend'}:{ROOT}"}
    with (tmp_path / "told.txt").open("w") as file:
        process = await asyncio.create_subprocess_exec(
            "bash", "-c", script(two_ports(), servers),
            cwd=tmp_path, env={**inherited, **paths, "NO_COLOR": "1"}, start_new_session=True, stdout=file, stderr=file,
        )  # fmt: skip
    try:
        await eventually(lambda: process.returncode is not None, SECONDS, "the page's last command", EVERY)
    finally:
        for pid in started_in(tmp_path):
            os.kill(pid, signal.SIGKILL)
        for path in sorted(tmp_path.glob("*.[lt]*")):
            print(f"== {path.name}\n{path.read_text()[-2500:]}")
    told = (tmp_path / "told.txt").read_text()
    assert process.returncode == 0
    for number in (1, 2, 3):
        assert f"agent machine-{number}: ready, 0 of 2 slots busy" in told
    assert "agent machine-3: drained, 0 of 2 slots busy" in told
    assert told.count("succeeded") >= 3
    assert re.search(r"J-1.*succeeded", told, re.DOTALL), told
