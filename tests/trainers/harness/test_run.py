"""A training's process from the outside: exit codes, error.json, what a signal does, a full disk, too little memory."""

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.trainers.fakes import spec_of, toy

ROOT = Path(__file__).parents[3]


class Training:
    """One process, in a folder as the agent lays it out."""

    def __init__(self, folder: Path, body: str, **options: Any) -> None:
        self.folder = folder / "attempt"
        (self.folder / "work").mkdir(parents=True, exist_ok=True)
        (self.folder / "spec.json").write_text(json.dumps(spec_of()))
        script = toy(folder, body).folder / "train.py"
        self.process = subprocess.Popen(
            [sys.executable, str(script), *options.pop("arguments", ())],
            env={
                **os.environ, "PYTHONPATH": str(ROOT), "VTP_ATTEMPT_DIR": str(self.folder),
                "VTP_DATASET_DIR": str(folder / "data"), "PYTHONUNBUFFERED": "1", **options.pop("environment", {}),
            },
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options,
        )  # fmt: skip

    def end(self) -> int:
        """Waits for its end; the exit code, negative for a signal."""
        self.out, self.err = self.process.communicate(timeout=30)
        return self.process.returncode

    def record(self) -> dict[str, Any]:
        """What it left in error.json."""
        return dict(json.loads((self.folder / "error.json").read_text()))

    def say_when_ready(self) -> None:
        """Waits until the training has printed its first line."""
        assert self.process.stdout is not None
        self.process.stdout.readline()


def test_a_training_that_is_done_leaves_with_0_and_nothing_reserved(tmp_path: Path) -> None:
    training = Training(tmp_path, "reporter.result({}, 1)")
    assert training.end() == 0
    assert not (training.folder / "error.json").exists()
    assert not (training.folder / ".error.json.reserved").exists()
    assert json.loads((training.folder / "leaving.json").read_text())["exit_code"] == 0


@pytest.mark.parametrize(
    ("code", "number"),
    [("TRAINING_DIVERGED", 10), ("INVALID_MODEL", 11), ("DOWNLOAD_FAILED", 12), ("CUDA_OOM", 13)],
)
def test_a_failure_leaves_with_the_documented_code_and_its_record(tmp_path: Path, code: str, number: int) -> None:
    training = Training(tmp_path, f"raise TrainingError({code!r}, 'because')")
    assert training.end() == number
    assert training.record()["code"] == code
    assert "because" in training.err


def test_an_interrupt_and_an_early_exit_are_failures_with_a_record(tmp_path: Path) -> None:
    assert Training(tmp_path, "raise KeyboardInterrupt").end() == 13
    training = Training(tmp_path / "2", "raise SystemExit(0)")
    assert training.end() == 13
    assert training.record()["exceptions"][0]["type"] == "SystemExit"


WAITS = "print('ready')\nwhile True:\n    time.sleep(0.02)"


@pytest.mark.parametrize(("reason", "number"), [("cancel", 20), ("timeout", 20), ("shutdown", 21), (None, 21)])
def test_a_stop_leaves_as_cancelled_or_preempted_by_what_the_agent_noted(
    tmp_path: Path, reason: str | None, number: int
) -> None:
    training = Training(tmp_path, WAITS)
    training.say_when_ready()
    if reason:
        (training.folder / "killed_by").write_text(reason)
    training.process.send_signal(signal.SIGTERM)
    assert training.end() == number
    assert not (training.folder / "error.json").exists()


def test_a_stop_passes_through_handlers_of_ordinary_exceptions(tmp_path: Path) -> None:
    body = "print('ready')\nwhile True:\n    try:\n        time.sleep(0.02)\n    except Exception:\n        pass"
    training = Training(tmp_path, body)
    training.say_when_ready()
    training.process.send_signal(signal.SIGTERM)
    assert training.end() == 21


def test_a_trainer_that_looks_finishes_its_step_and_leaves_a_checkpoint(tmp_path: Path) -> None:
    body = (
        "task.stop_requested()\nprint('ready')\n"
        "while not task.stop_requested():\n    time.sleep(0.02)\n"
        "(task.work / 'kept').write_text('step done')\ntask.leave()"
    )
    training = Training(tmp_path, body)
    training.say_when_ready()
    training.process.send_signal(signal.SIGTERM)
    assert training.end() == 21
    assert (training.folder / "work" / "kept").read_text() == "step done"


def test_a_trainer_that_looked_once_and_never_again_is_stopped_all_the_same(tmp_path: Path) -> None:
    training = Training(tmp_path, "task.stop.late = 0.1\ntask.stop_requested()\n" + WAITS)
    training.say_when_ready()
    training.process.send_signal(signal.SIGTERM)
    assert training.end() == 21


def test_threads_and_children_that_hang_do_not_keep_the_process(tmp_path: Path) -> None:
    body = "threading.Thread(target=threading.Event().wait).start()\nraise TrainingError('INVALID_CONFIG', 'x')"
    assert Training(tmp_path, body).end() == 11


def test_too_little_memory_is_recorded_with_what_was_held_back_for_that(tmp_path: Path) -> None:
    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_DATA, (200 << 20, 200 << 20))

    training = Training(tmp_path, "held = []\nwhile True:\n    held.append(bytearray(1 << 20))", preexec_fn=limited)
    assert training.end() == 13
    record = training.record()
    assert record["code"] == "HOST_OOM"
    assert record["exceptions"][0]["type"] == "MemoryError"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], check=False, capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {done.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_full_disk_is_recorded_in_room_that_was_reserved(small_disk: Path) -> None:
    body = (
        "with (task.work / 'checkpoint').open('wb', buffering=0) as file:\n    while True:\n        file.write(b'x' * 4096)"
    )
    training = Training(small_disk, body)
    assert training.end() == 13
    record = training.record()
    assert record["code"] == "DISK_FULL"
    assert record["exceptions"][0]["type"] == "OSError"
    assert (training.folder / "work" / "checkpoint").stat().st_size > 800_000


def test_a_journal_line_that_a_full_disk_cuts_off_fails_the_training_and_swallows_no_later_line(small_disk: Path) -> None:
    body = (
        "filler = task.work / 'filler'\n"
        "with filler.open('wb', buffering=0) as file:\n"
        "    try:\n        while True:\n            file.write(b'x' * 1024)\n    except OSError:\n        pass\n"
        "told = []\n"
        "try:\n    while True:\n        reporter.phase(f'phase {len(told)} ' + 'y' * 300)\n        told.append(1)\n"
        "except OSError as error:\n    print('full', error.errno)\n"
        "filler.unlink()\nreporter.phase('after')\n"
    )
    training = Training(small_disk, body)
    assert training.end() == 0, training.err
    assert training.out.startswith("full 28")
    lines = (training.folder / "events.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["phase"] == "after"


def test_describe_prints_what_the_framework_offers(tmp_path: Path) -> None:
    training = Training(tmp_path, "pass", arguments=["--describe"])
    assert training.end() == 0
    assert json.loads(training.out) == {}


def test_the_heartbeat_goes_on_while_the_training_computes_and_the_stack_is_written_on_request(tmp_path: Path) -> None:
    body = "def deep_inside():\n    print('ready')\n    time.sleep(60)\ndeep_inside()"
    training = Training(tmp_path, body)
    training.say_when_ready()
    assert (training.folder / "heartbeat").exists()
    training.process.send_signal(signal.SIGUSR1)
    stack = training.folder / "stack.txt"
    for _ in range(1000):
        if "train.py" in stack.read_text():
            break
        training.process.poll()
    assert "in deep_inside" in stack.read_text()
    assert training.process.poll() is None
    training.process.kill()
    assert training.end() == -9
