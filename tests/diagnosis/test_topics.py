"""Sentences that people write themselves are called by what they complain of, and only where they may be the cause."""

import re
from typing import Any

import pytest

from app.core.error_messages import REGISTRY
from app.diagnosis.diagnose import diagnose
from app.diagnosis.evidence import Diagnosis, Evidence
from app.diagnosis.topics import TOPICS, complains, topic

STEP = "epoch 3 step 120 loss 0.41\n"
OWN = 'Traceback (most recent call last):\n  File "{}", line 9, in main\n    raise RuntimeError(text)\nRuntimeError: {}\n'
SAID = "the mould of the cast has no labels of its own"


def verdict(**evidence: Any) -> Diagnosis:
    return diagnose(Evidence.from_dict(evidence))


def test_every_topic_is_a_code_of_the_registry() -> None:
    assert {code for code, _ in TOPICS} <= set(REGISTRY)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("the loss is not finite any more", "TRAINING_DIVERGED"),
        ("the card has 8 GB, this needs more GPU memory", "CUDA_OOM"),
        ("the volume for results is full", "DISK_FULL"),
        ("user 7 may not write to /out", "FILE_PERMISSION_DENIED"),
        ("no answer from rank 3", "DISTRIBUTED_COMM_ERROR"),
        ("a.safetensors holds other layers than this network wants", "CHECKPOINT_INVALID"),
        ("the network takes RGB, these images have 13 bands", "MODEL_DATA_MISMATCH"),
        ("there is no folder for validation", "DATASET_NOT_FOUND"),
        ("choose one of mean, max", "INVALID_CONFIG"),
        ("12 boxes have no class", "DATASET_INVALID_FORMAT"),
        ("the weather is bad", None),
    ],
)
def test_a_complaint_is_called_by_its_subject(words: str, code: str | None) -> None:
    assert complains(words)
    assert topic(words) == code


def test_the_last_sentence_explains_an_exit_of_the_trainings_own_and_no_kill() -> None:
    found = verdict(log=f"{STEP}{SAID}\n", exit_code=1)
    assert (found.code, found.evidence) == ("DATASET_INVALID_FORMAT", (SAID,))
    assert found.confidence <= 0.7, "a guess says so"
    assert verdict(log=f"{STEP}{SAID}\n", signal=9).code == "TRAINER_KILLED"
    assert verdict(log=f"{STEP}{SAID}\n", exit_code=0).code == "NONE"
    assert verdict(log=f"{SAID}\n{STEP}", exit_code=1).code == "UNKNOWN_FAILURE", "the training went on after it"


def test_reports_and_advice_are_no_complaints() -> None:
    for line in (
        "data: 1200 images, 12 without labels",
        "saved a.pt, 3 checkpoints left",
        "hint: no labels is a common error",
        "tensorboard not installed, logging to csv",
        "lr scheduler: no warmup",
        "val set has 120 images, no augmentation",
    ):
        assert verdict(log=f"{STEP}{line}\n", exit_code=1).code == "UNKNOWN_FAILURE", line


@pytest.mark.parametrize(
    "line",
    [
        "ERROR train: job failed, see the log of the scheduler",
        "ERROR: step 3 of the pipeline failed",
        "make: *** [Makefile:12: train] Error 1",
        "Command failed: python train.py --config a.yaml --lr 0.1",
        "ERROR trainer: exception in callback (no details)",
        "error in epoch 3",
        "FAILED",
        "GPU 0 utilisation 12%, memory 3.1 GB",
    ],
)
def test_words_that_only_say_that_it_failed_and_where_more_is_said_tell_no_cause(line: str) -> None:
    assert verdict(log=f"{STEP}{line}\n", exit_code=1).code == "UNKNOWN_FAILURE"


def test_only_what_the_trainings_own_code_raised_is_called_by_its_topic() -> None:
    assert verdict(log=OWN.format("/srv/job/train.py", SAID), exit_code=1).code == "DATASET_INVALID_FORMAT"
    text = "lazy wrapper should be called at most once for its options"
    assert topic(text) == "INVALID_CONFIG"
    for place in ("/opt/venv/lib/python3.11/site-packages/torch/x.py", "/usr/lib/python3.11/functools.py"):
        assert verdict(log=OWN.format(place, text), exit_code=1).code == "TRAINING_CODE_ERROR", place


def test_long_lines_cost_little() -> None:
    assert topic("no " * 100_000) is None
    assert all(re.compile(pattern) for _, pattern in TOPICS)
