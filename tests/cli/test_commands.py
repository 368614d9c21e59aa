"""Every command against a real platform: what a user types and sees."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.cli.conftest import Vtp, newest
from tests.conftest import picture
from tests.running import RunningPlatform
from tests.waiting import until

Zip = Callable[..., Path]
TRAIN = ("train", "--framework", "sklearn", "--model", "sgd-linear", "--epochs", "2")
pytestmark = pytest.mark.e2e


def spawn(platform: RunningPlatform, *arguments: str) -> "subprocess.Popen[str]":
    """A command in a process of its own."""
    environment = {**platform.environment, "VTP_URL": platform.url}
    return subprocess.Popen(
        [sys.executable, "-m", "app.cli", *arguments], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip


def test_a_data_set_is_added_shown_listed_and_removed(here: Vtp, zip_file: Zip) -> None:
    code, out, err = here("datasets", "add", str(zip_file("first")))
    assert (code, out) == (0, "first\n")
    assert "ready: classify, 6 train, 2 val" in err
    assert "first" in here("datasets", "list")[1]
    shown = json.loads(here("datasets", "show", "first", "--json")[1])
    assert shown["status"] == "ready"
    assert json.loads(here("--json", "datasets", "remove", "first")[1]) == {"dataset_id": "first", "removed": True}
    code, _, err = here("datasets", "show", "first")
    assert code == 3
    assert "DATASET_NOT_FOUND" in err


def test_a_broken_data_set_is_refused_and_the_next_command_trains_without_the_files(here: Vtp, zip_file: Zip) -> None:
    code, out, err = here("datasets", "add", str(zip_file("broken", per_class=10, damaged=2)))
    assert (code, out) == (3, "broken\n")
    assert "2 images cannot be read" in err
    code, out, err = here("datasets", "problems", "broken")
    assert out.splitlines()[0] == "problem,severity,file,line,detail"
    assert [line.split(",")[1] for line in out.splitlines()[1:]] == ["error", "error", "warning"]
    lines = [json.loads(line) for line in here("datasets", "problems", "broken", "--json")[1].splitlines()]
    assert [line["severity"] for line in lines] == ["error", "error", "warning"]
    before = here("--json", "jobs", "list")[1]
    code, out, err = here(*TRAIN, "--dataset", "broken")
    assert (code, out) == (3, "")
    assert json.loads(here("--json", "jobs", "list")[1])["total"] == json.loads(before)["total"]
    command = next(line for line in err.splitlines() if line.startswith("next: vtp ")).removeprefix("next: vtp ")
    assert command.endswith("--exclude-invalid")
    code, out, _ = here(*command.split(), "--watch")
    assert code == 0
    assert "DATASET_BROKEN" in here("datasets", "check", "broken")[2] or here("datasets", "check", "broken")[0] == 3


def test_a_folder_is_packed_and_sent(here: Vtp, tmp_path: Path) -> None:
    folder = tmp_path / "My Tiles"
    for shade, name in ((10, "dark"), (200, "light")):
        for number in range(4):
            file = folder / ("val" if number == 0 else "train") / name / f"{number} ü.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(picture(shade + number))
    os.utime(file, (0, 0))
    code, out, err = here("datasets", "add", str(folder))
    assert (code, out) == (0, "my-tiles\n")
    assert "packing 8 files" in err
    assert "6 train, 2 val" in err


def test_everything_wrong_with_a_training_is_told_at_once(here: Vtp) -> None:
    code, out, err = here("train", "--framework", "sklearn", "--model", "sgd-linar", "--dataset", "nope", "--set", "x=1")
    assert (code, out) == (3, "")
    for name in ("INVALID_MODEL", "INVALID_CONFIG", "DATASET_NOT_FOUND"):
        assert name in err
    assert "did you mean `sgd-linear`" in err
    assert "next: vtp train --framework sklearn --model sgd-linear" in err


def test_a_training_is_followed_to_its_weights(here: Vtp, zip_file: Zip, tmp_path: Path) -> None:
    here("datasets", "add", str(zip_file("whole")))
    code, out, err = here(*TRAIN, "--dataset", "whole", "--watch")
    assert code == 0
    assert out == ""
    lines = err.splitlines()
    assert "running" in lines
    assert any(line.startswith("epoch 2/2") for line in lines)
    job_id = newest(here)
    assert f"next: vtp jobs download {job_id}" in lines
    assert "\x1b" not in err  # no terminal, no cursor movements
    target = tmp_path / "weights"
    assert here("jobs", "download", job_id.removeprefix("J-"), "-o", str(target))[0] == 0
    assert target.stat().st_size > 0
    added = here("models", "add", str(target), "--name", "mine")[1].strip()
    assert added in here("models", "weights")[1]
    assert job_id in here("jobs", "list", "--status", "succeeded")[1]
    assert "succeeded" in here("jobs", "show", job_id)[1]
    assert json.loads(here("jobs", "watch", job_id, "--json")[1])["status"] == "succeeded"


def test_unknown_names_are_told_with_what_was_meant(here: Vtp, zip_file: Zip) -> None:
    here("datasets", "add", str(zip_file("flowers")))
    code, _, err = here("datasets", "show", "flower")
    assert code == 3
    assert "did you mean `flowers`?" in err
    here(*TRAIN, "--dataset", "flowers", "--name", "my run", "--no-check")
    code, _, err = here("jobs", "show", "my run")
    assert code == 3
    assert f"did you mean `{newest(here)}`?" in err
    for command in (("jobs", "watch", "J-9999"), ("jobs", "cancel", "J-9999"), ("jobs", "log", "J-9999", "-f")):
        code, _, err = here(*command)
        assert code == 3, command
        assert "NOT_FOUND" in err


def test_a_fix_that_is_not_offered_and_a_retry_too_early_are_refused(here: Vtp, zip_file: Zip) -> None:
    here("datasets", "add", str(zip_file("retried")))
    here(*TRAIN, "--dataset", "retried", "--watch")
    code, _, err = here("jobs", "retry", newest(here), "--apply", "halve-batch")
    assert code == 3
    assert "CONFLICT" in err


def test_a_wrong_token_ends_with_5(here: Vtp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VTP_TOKEN", "wrong")
    for command in (("jobs", "list"), ("jobs", "watch", "J-1")):
        code, _, err = here(*command)
        assert code == 5, command
        assert "INVALID_TOKEN" in err


def test_ctrl_c_leaves_the_job_running_and_says_how_to_stop_it(
    here: Vtp, zip_file: Zip, real_platform: RunningPlatform
) -> None:
    here("datasets", "add", str(zip_file("long")))
    process = spawn(real_platform, *TRAIN[:-1], "400", "--dataset", "long", "--set", "images_per_s_limit=20", "--watch")
    if process.poll() is None:
        until(lambda: json.loads(here("--json", "jobs", "list")[1])["items"][0]["dataset_id"] == "long", "the job")
    job_id = newest(here)
    follower = spawn(real_platform, "jobs", "log", job_id, "--follow")
    assert process.stderr is not None
    seen = ""
    while "running" not in seen:
        line = process.stderr.readline()
        assert line, seen
        seen += line
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert f"job {job_id} keeps running; stop it with: vtp jobs cancel {job_id}" in err
    assert "Traceback" not in err
    assert here("jobs", "show", job_id)[1].splitlines()[1].split()[1] in ("queued", "starting", "running")
    assert here("jobs", "cancel", job_id)[0] == 0
    code, _, err = here("jobs", "watch", job_id)
    assert code == 3
    assert f"{job_id} was cancelled" in err
    follower.communicate(timeout=30)
    assert follower.returncode == 0  # the log ends with the job


def test_a_failed_job_is_explained_and_its_fix_is_one_command(here: Vtp, zip_file: Zip) -> None:
    here("datasets", "add", str(zip_file("damaged", per_class=10, damaged=2)))
    code, out, err = here(*TRAIN, "--dataset", "damaged", "--no-check", "--watch")
    assert (code, out) == (3, "")
    job_id = newest(here)
    retry = f"vtp jobs retry {job_id} --apply exclude-invalid-files"
    assert f"next: {retry}" in err
    assert f"next: {retry}" in here("jobs", "show", job_id)[2]
    code, out, _ = here("jobs", "explain", job_id)
    assert code == 0
    assert "2 images cannot be read" in out
    assert "code: DATASET_BROKEN" in out
    assert json.loads(here("jobs", "explain", job_id, "--json")[1])["source"] == "catalogue"
    code, _, err = here(*retry.split()[1:], "--watch")
    assert code == 0, err
    assert here("jobs", "explain", newest(here))[0] == 3


@pytest.mark.parametrize(
    ("reason", "note"),
    [
        ("pending", "is being written"),
        ("budget", "as often as it may be today; these are the catalogue's words"),
        ("unavailable", "has not answered; these are the catalogue's words"),
        ("off", ""),
    ],
)
def test_it_is_said_why_a_model_adds_no_words(vtp: Vtp, monkeypatch: pytest.MonkeyPatch, reason: str, note: str) -> None:
    found = {"text": "The disk was full.", "evidence": [], "code": "DISK_FULL", "confidence": None, "model": None}
    monkeypatch.setattr("app.cli.jobs.Api", lambda: SimpleNamespace(call=lambda *_: {**found, "reason": reason}))
    code, out, err = vtp("jobs", "explain", "J-1")
    assert (code, out.splitlines()[0]) == (0, "The disk was full.")
    assert note in err
    assert bool(err.strip()) == bool(note)


def test_models_and_status_are_listed(here: Vtp) -> None:
    assert "sgd-linear" in here("models", "--task", "classify")[1]
    assert {item["framework"] for item in json.loads(here("models", "--json")[1])} >= {"sklearn"}
    code, out, _ = here("status", "--check")
    assert code == 0
    assert "sklearn" in out
    rows = {line.split()[0]: line.split()[1:] for line in out[out.index("DEPENDENCY") :].splitlines()}
    assert rows["trainer"][:2] == ["agents", "yes"]
    assert rows["database"][:2] == ["sqlite", "yes"]
    assert rows["storage"] == ["folder", "yes", "-", "-"]
    assert "not set up: mlflow, temporal, llm, alerts, alertmanager, sentry, traces" in out
    found = json.loads(here("status", "--json")[1])
    assert found["url"].startswith("http://127.0.0.1")
    assert [item["name"] for item in found["dependencies"]][:2] == ["trainer", "mlflow"]


def test_status_says_what_is_degraded_and_ends_with_4_only_where_that_is_asked_for(here: Vtp) -> None:
    name = json.loads(here("agents", "list", "--json")[1])["items"][0]["name"]
    here("agents", "drain", name)
    try:
        code, out, _ = here("status")
        assert (code, out.splitlines()[0].split()[0]) == (0, "degraded")
        assert f"Every agent that is alive is drained. Trainings wait until one is resumed: vtp agents resume {name}" in out
        assert here("status", "--check")[0] == 4
        assert here("status", "--check", "--json")[0] == 4
    finally:
        here("agents", "resume", name)


def test_a_file_that_cannot_be_written_is_told_by_its_name(here: Vtp, zip_file: Zip, tmp_path: Path) -> None:
    here("datasets", "add", str(zip_file("disk")))
    here(*TRAIN, "--dataset", "disk", "--watch")
    code, _, err = here("jobs", "download", newest(here), "-o", str(tmp_path / "none" / "x"))
    assert code == 3
    assert "No such file or directory" in err
