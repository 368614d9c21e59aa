"""The parent of a training: no training runs that nobody knows of, no end goes unseen."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import until
from trainers.agent import shim

SHIM = Path(shim.__file__)


def start(folder: Path, code: str, **environment: str) -> subprocess.Popen[bytes]:
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-I", str(SHIM), str(folder), sys.executable, "-c", code]
    return subprocess.Popen(command, env={**os.environ, **environment})


def told(folder: Path, name: str = "exit.json") -> dict:
    return json.loads((folder / name).read_text())


@pytest.mark.parametrize(
    ("code", "exit_code", "number"),
    [("raise SystemExit(7)", 7, None), ("import os; os.kill(os.getpid(), 9)", None, 9), ("pass", 0, None)],
)
def test_the_end_is_written_down(tmp_path: Path, code: str, exit_code: int | None, number: int | None) -> None:
    start(tmp_path, f"print('hello')\n{code}", PYTHONUNBUFFERED="1").wait(10)
    found = told(tmp_path)
    assert (found["exit_code"], found["signal"]) == (exit_code, number)
    assert found["at"].endswith("Z")
    assert (tmp_path / "log.txt").read_text() == "hello\n"


def test_who_the_training_is_is_known_before_it_runs(tmp_path: Path) -> None:
    code = (
        f"import json, os; known = json.load(open({str(tmp_path / 'process.json')!r})); assert known['pid'] == os.getpid()"
    )
    start(tmp_path, code).wait(10)
    assert told(tmp_path)["exit_code"] == 0
    known = told(tmp_path, "process.json")
    assert known["boot_id"] == shim.boot_id()
    assert known["start"] > 0


def test_a_second_shim_for_the_same_attempt_ends_at_once(tmp_path: Path) -> None:
    first = start(tmp_path, "import time; time.sleep(60)")
    until((tmp_path / "process.json").exists, "a training", every=0.001)
    pid = told(tmp_path, "process.json")["pid"]
    second = start(tmp_path, "print('twice')")
    assert second.wait(10) == 0
    assert told(tmp_path, "process.json")["pid"] == pid
    os.kill(pid, signal.SIGKILL)
    first.wait(10)
    assert start(tmp_path, "print('again')").wait(10) == 0
    assert "again" not in (tmp_path / "log.txt").read_text()


def test_a_stop_meant_for_the_agent_does_not_end_the_shim(tmp_path: Path) -> None:
    process = start(tmp_path, "import time; time.sleep(60)")
    until((tmp_path / "process.json").exists, "a training", every=0.001)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        process.send_signal(number)
    assert process.poll() is None
    os.kill(told(tmp_path, "process.json")["pid"], signal.SIGKILL)
    process.wait(10)
    assert told(tmp_path)["signal"] == 9


def test_a_command_that_cannot_be_run_is_told_with_its_reason(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-I", str(SHIM), str(tmp_path), "/no/such/python"], check=False)
    assert told(tmp_path)["exit_code"] == shim.NOT_STARTED
    assert "No such file" in told(tmp_path, shim.NOT_STARTED_FILE)["message"]


def test_json_is_written_into_reserved_room(tmp_path: Path) -> None:
    shim.reserve(tmp_path / "x.json")
    shim.write_json(tmp_path / "x.json", {"a": 1})
    assert told(tmp_path, "x.json") == {"a": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]


def test_a_process_is_named_by_when_it_started() -> None:
    assert shim.start_time(os.getpid()) == shim.start_time(os.getpid())
    assert shim.start_time(2**22 + 1) is None
