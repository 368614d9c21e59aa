"""A platform of real processes that the command line talks to."""

import json
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.cli.app import run
from tests.conftest import classification_zip
from tests.running import SKLEARN, RunningPlatform
from tests.waiting import until

Vtp = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="session")
def real_platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPlatform]:
    """Backend and agent with the scikit-learn trainer."""
    if not SKLEARN.exists():
        pytest.skip("the scikit-learn trainer's environment is not set up (make setup)")
    platform = RunningPlatform(tmp_path_factory.mktemp("cli"))
    for name in ("backend", "agent"):
        platform.start(name)

    def offered() -> bool:
        request = urllib.request.Request(f"{platform.url}/api/v1/frameworks", headers={"Authorization": "Bearer token"})
        with urllib.request.urlopen(request, timeout=5) as answer:
            return any(item["framework"] == "sklearn" and item["agents"] for item in json.load(answer)["items"])

    until(offered, "an agent with scikit-learn", 60)
    yield platform
    for name in ("agent", "backend"):
        platform.kill(name)


@pytest.fixture
def vtp(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Vtp:
    """Runs a command in this process: exit code, stdout, stderr."""
    monkeypatch.setenv("VTP_HOME", str(tmp_path / "cli-home"))
    monkeypatch.delenv("NO_COLOR", raising=False)

    def command(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run(list(arguments))
        out, err = capsys.readouterr()
        return code, out, err

    return command


@pytest.fixture
def here(real_platform: RunningPlatform, vtp: Vtp, monkeypatch: pytest.MonkeyPatch) -> Vtp:
    """The same, with a platform that answers."""
    monkeypatch.setenv("VTP_URL", real_platform.url)
    monkeypatch.setenv("VTP_TOKEN", "token")
    return vtp


@pytest.fixture
def zip_file(tmp_path: Path) -> Callable[..., Path]:
    """Makes a data set file."""

    def make(name: str, **options: int) -> Path:
        path = tmp_path / f"{name}.zip"
        path.write_bytes(classification_zip(**options))
        return path

    return make


def newest(vtp: Vtp) -> str:
    """The id of the newest job."""
    return str(json.loads(vtp("--json", "jobs", "list")[1])["items"][0]["job_id"])
