"""One attempt's process: is it alive, and is it still the one that was started."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from trainers.agent.process import AttemptProcess, environment
from trainers.agent.shim import boot_id, start_time


@pytest.fixture
def child():
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    yield process
    process.kill()
    process.wait()


def record(folder: Path, pid: int, **more: object) -> AttemptProcess:
    known = {"pid": pid, "start": start_time(pid), "boot_id": boot_id(), **more}
    (folder / "process.json").write_text(json.dumps(known))
    return AttemptProcess(folder)


def test_the_very_process_is_alive_and_another_with_its_number_is_not(tmp_path: Path, child) -> None:
    assert record(tmp_path, child.pid).alive()
    assert not record(tmp_path, child.pid, start=1).alive()
    assert not record(tmp_path, child.pid, boot_id="another run of the machine").alive()


def test_no_signal_goes_to_a_process_that_only_has_the_number(tmp_path: Path, child) -> None:
    record(tmp_path, child.pid, start=1).send(signal.SIGKILL)
    record(tmp_path, child.pid, boot_id="another").send(signal.SIGKILL)
    assert child.poll() is None
    record(tmp_path, child.pid).send(signal.SIGKILL)
    assert child.wait(5) == -9


def test_what_is_not_there_has_neither_started_nor_ended(tmp_path: Path) -> None:
    process = AttemptProcess(tmp_path)
    assert (process.started(), process.ended(), process.alive(), process.pid) == (False, False, False, None)
    assert (process.state(), process.age(), process.killed_by) == (None, 0.0, None)
    process.send(signal.SIGKILL)


def test_the_first_reason_to_stop_stays(tmp_path: Path) -> None:
    process = AttemptProcess(tmp_path)
    process.note_kill("timeout")
    process.note_kill("cancel")
    assert process.killed_by == "timeout"


def test_the_end_is_told_by_the_shim_then_by_the_harness_then_inferred(tmp_path: Path) -> None:
    process = AttemptProcess(tmp_path)
    assert process.exit_facts()["signal"] == 9
    assert process.exit_facts()["told_by"] == "inferred"
    (tmp_path / "leaving.json").write_text('{"exit_code": 11, "at": "t"}')
    assert process.exit_facts() == {"exit_code": 11, "signal": None, "at": "t", "told_by": "harness"}
    (tmp_path / "exit.json").write_text('{"exit_code": 10, "signal": null}')
    assert process.exit_facts() == {"exit_code": 10, "signal": None, "told_by": "shim"}


def test_what_was_inferred_stays(tmp_path: Path) -> None:
    process = AttemptProcess(tmp_path)
    process.keep_exit({"exit_code": 11, "told_by": "harness"})
    process.keep_exit({"exit_code": 12, "told_by": "harness"})
    assert json.loads((tmp_path / "exit.json").read_text())["exit_code"] == 11


def test_the_training_gets_the_machines_environment_without_the_agents_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VTP_AGENT_SECRET", "secret")
    monkeypatch.setenv("LANG", "C.UTF-8")
    found = environment(tmp_path, {"VTP_RESUME": Path("/r")}, None, MORE="1")
    assert "VTP_AGENT_SECRET" not in found
    assert (found["LANG"], found["VTP_RESUME"], found["MORE"]) == ("C.UTF-8", "/r", "1")
    assert found["VTP_ATTEMPT_DIR"] == str(tmp_path)
    assert os.environ["VTP_AGENT_SECRET"] == "secret"
