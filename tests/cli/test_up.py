"""`vtp up`: both processes are kept running, a kill of any loses nothing, one folder has one platform."""

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.cli import up
from app.cli.output import Output
from tests.waiting import until

ROOT = Path(__file__).resolve().parents[2]


class Told(Output):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)


def ends_with(code: int) -> up.Child:
    return up.Child("thing", [sys.executable, "-c", f"raise SystemExit({code})"])


def test_a_process_that_keeps_ending_is_started_again_after_ever_longer_pauses() -> None:
    child, told, now, pauses = ends_with(3), Told(), 100.0, []
    for _ in range(7):
        child.keep(now, told)
        assert child.process is not None
        child.process.wait()
        child.keep(now, told)
        assert child.process is None
        pauses.append(child.not_before - now)
        child.keep(child.not_before - 0.01, told)
        assert child.process is None
        now = child.not_before
    assert pauses == sorted(pauses)
    assert pauses[0] == 1.0
    assert pauses[-1] == up.LONGEST_PAUSE
    assert told.lines[0] == "thing ended (3), starting it again in 1 s"


def test_a_process_that_ran_long_is_started_again_at_once() -> None:
    child, told = ends_with(0), Told()
    child.pause = 15.0
    child.keep(100.0, told)
    child.process.wait()
    child.keep(100.0 + 60, told)
    assert child.not_before == 160 + up.FIRST_PAUSE


def test_a_lock_is_waited_for_only_so_long(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (tmp_path / "up.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(SystemExit) as caught:
            up.hold(tmp_path / "up.lock", "`vtp up`", 0.1)
    assert caught.value.code == up.EXIT_BUSY
    assert "another `vtp up` works in" in capsys.readouterr().err
    os.close(up.hold(tmp_path / "up.lock", "`vtp up`", 0.1))


class Up:
    """A real `vtp up`."""

    def __init__(self, home: Path) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("VTP_")}
        paths = f"{ROOT / 'backend'}{os.pathsep}{ROOT}"
        self.home = home
        self.environment = {**inherited, "VTP_HOME": str(home), "PYTHONPATH": paths}
        self.processes: list[subprocess.Popen[str]] = []

    def start(self) -> str:
        """Starts it; its address."""
        log = (self.home.parent / "up.log").open("a")
        process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "--json", "up"],
            env=self.environment, stdout=subprocess.PIPE, stderr=log, text=True,
        )  # fmt: skip
        log.close()
        self.processes.append(process)
        told = ""
        assert process.stdout is not None
        while "}" not in told:
            line = process.stdout.readline()
            assert line, "it ended"
            told += line
        return str(json.loads(told)["url"])

    def children(self) -> dict[str, int]:
        """Pids of what it runs, by name."""
        found = {}
        pid = self.processes[-1].pid
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            command = Path(f"/proc/{child}/cmdline").read_bytes()
            found["agent" if b"trainers.agent" in command else "backend"] = int(child)
        return found

    def answers(self, url: str) -> bool:
        """Whether the backend is ready."""
        try:
            with urllib.request.urlopen(f"{url}/api/v1/system/health/ready", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    def end(self) -> None:
        """Ends everything."""
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
            process.wait(30)
            process.stdout.close()


@pytest.fixture
def real(tmp_path: Path) -> Iterator[Up]:
    found = Up(tmp_path / "home")
    yield found
    found.end()


@pytest.mark.e2e
@pytest.mark.slow
def test_whatever_is_killed_is_running_again_at_the_same_address(real: Up) -> None:
    url = real.start()
    for name in ("backend", "agent"):
        before = real.children()
        os.kill(before[name], signal.SIGKILL)
        until(lambda name=name, before=before: real.children().get(name, before[name]) != before[name], f"a new {name}")
        until(lambda: real.answers(url), "an answer")

    before = real.children()
    real.processes[-1].kill()
    real.processes[-1].wait()
    assert real.start() == url
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in before.values()), "the end of all")
    until(lambda: real.answers(url), "an answer")

    second = subprocess.run(
        [sys.executable, "-m", "app.cli", "up"],
        env=real.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert second.returncode == up.EXIT_BUSY
    assert "another `vtp up` works in" in second.stderr
    assert json.loads((real.home / "server.json").read_text())["url"] == url
    assert "serving at" not in (real.home.parent / "up.log").read_text(), "only the launcher knows the address"


def test_the_port_of_the_last_run_is_taken_again_unless_somebody_else_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VTP_HOME", str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        up.write_server_file(f"http://127.0.0.1:{port}", "t")
        launcher = up.Launcher(Told(), tmp_path, "127.0.0.1", 0, 1)
        assert launcher.listener.getsockname()[1] != port
        launcher.listener.close()
    assert launcher._last_port() == port
