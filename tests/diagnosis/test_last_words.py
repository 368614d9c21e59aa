"""What is said after a training's last progress explains a kill that no known form explains, and nothing else."""

from typing import Any

import pytest

from app.diagnosis.diagnose import diagnose
from app.diagnosis.evidence import Evidence

STEP = "epoch 3 step 120 loss 0.41\n"


def verdict(**evidence: Any) -> str:
    return diagnose(Evidence.from_dict(evidence)).code


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("this host did not have enough memory for the container", "HOST_OOM"),
        ("WARNING the cloud wants its spot instance back", "JOB_PREEMPTED"),
        ("everything on gpu-4 is evicted", "JOB_PREEMPTED"),
        ("your job has used its time allocation", "TRAINING_TIMEOUT"),
        ("the owner has cancelled it", "TRAINING_CANCELLED"),
    ],
)
def test_the_last_lines_tell_what_a_kill_was_for(words: str, code: str) -> None:
    assert verdict(log=f"{STEP}{words}\n", exit_code=137) == code
    assert verdict(log=f"{words}\n{STEP}", exit_code=137) == "TRAINER_KILLED", "the training went on after it"


def test_words_that_deny_it_or_speak_of_something_else_tell_nothing() -> None:
    for words in (
        "no preemption in sight",
        "GPU memory exceeds 90 %",
        "OOMKilled=false",
        "request to the job tracker timed out",
    ):
        assert verdict(log=f"{STEP}{words}\n", signal=9) == "TRAINER_KILLED"


def test_a_warning_that_the_training_is_taken_away_explains_its_end_but_one_of_other_things_no_exit() -> None:
    log = f"{STEP}WARNING the cloud wants its spot instance back\n"
    assert verdict(log=log, signal=15) == "JOB_PREEMPTED"
    assert verdict(log=log, exit_code=1) == "JOB_PREEMPTED"
    assert verdict(log=log, exit_code=0) == "NONE"
    assert verdict(log=f"{STEP}WARNING: the disk is nearly full\n", exit_code=1) == "UNKNOWN_FAILURE"


def test_what_is_known_of_a_kill_outweighs_the_last_lines() -> None:
    log = f"{STEP}the owner has cancelled it\n"
    assert verdict(log=log, signal=9, oom_kill_delta=1) == "HOST_OOM"
    assert verdict(log=log, signal=11) == "TRAINER_CRASHED"
    assert verdict(log=log, signal=9, killed_by="timeout") == "TRAINING_TIMEOUT"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("setup failed: ImportError - Using this quantization needs a package: `pip install -U it`", "DEPENDENCY_ERROR"),
        ("export step failed -> [Errno 30] Read-only file system: 'models/clf.joblib'", "FILE_PERMISSION_DENIED"),
        ("could not keep it: No space left on device (os error 28)", "DISK_FULL"),
        ("""callback raised AttributeError("'Cb' object has no attribute 'best'")""", "TRAINING_CODE_ERROR"),
        ("the run ended early (ValueError: the learning rate has to be positive)", "INVALID_CONFIG"),
    ],
)
def test_an_exception_that_the_last_sentence_repeats_is_read_as_if_it_had_been_raised(words: str, code: str) -> None:
    assert verdict(log=f"{STEP}{words}\n", exit_code=1) == code
    assert verdict(log=f"WARNING {words}\n{STEP}stopping\n", exit_code=1) == "UNKNOWN_FAILURE", "it was overcome"


def test_of_a_process_that_gave_up_the_last_try_tells_why() -> None:
    tries = "".join(f"WARNING attempt {n}: ('Connection broken: IncompleteRead(50 bytes read)')\n" for n in (1, 2, 3))
    assert verdict(log=f"{tries}ERROR giving up on val.zip\n", exit_code=1) == "DOWNLOAD_FAILED"
    assert verdict(log=f"{tries}stopping\n", exit_code=1) == "UNKNOWN_FAILURE", "whether it gave up is not said"
