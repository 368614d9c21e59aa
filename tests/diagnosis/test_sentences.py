"""What people write themselves is understood by the words of labelled sentences, and only where it may be the cause."""

from typing import Any

import pytest

from app.core.error_messages import REGISTRY
from app.diagnosis.diagnose import diagnose
from app.diagnosis.evidence import Diagnosis, Evidence
from app.diagnosis.sentences import MOST_CHARACTERS, NO_CAUSE, Example, examples, learn, meaning

STEP = "epoch 3 step 120 loss 0.41\n"
OWN = 'Traceback (most recent call last):\n  File "{}", line 9, in main\n    raise {}(text)\n{}: {}\n'
SAID = "12 annotation files of the cast set have outlines without a class"


def verdict(**evidence: Any) -> Diagnosis:
    return diagnose(Evidence.from_dict(evidence))


def test_every_example_has_a_code_of_the_registry_and_is_there_once() -> None:
    assert {example.code for example in examples()} <= {*REGISTRY, "NONE"}
    texts = [example.text.lower() for example in examples()]
    assert len(set(texts)) == len(texts) > 2000


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("the loss is not finite any more", "TRAINING_DIVERGED"),
        ("the card has 8 GB, this net wants 11 GB of its memory", "CUDA_OOM"),
        ("scratch filled up while the epoch was written, nothing is left of the quota", "DISK_FULL"),
        ("user 7 may not write to /out", "FILE_PERMISSION_DENIED"),
        ("no answer from rank 3 within ten minutes", "DISTRIBUTED_COMM_ERROR"),
        ("a.safetensors holds other layers than this network, cannot restore it", "CHECKPOINT_INVALID"),
        ("the network takes RGB, these tiles have 13 bands", "MODEL_DATA_MISMATCH"),
        ("there is no folder with validation pictures on this mount", "DATASET_NOT_FOUND"),
        ("warmup must be shorter than the number of epochs", "INVALID_CONFIG"),
        ("12 boxes of the annotation file have no class", "DATASET_INVALID_FORMAT"),
        ("the cloud wants its spot machine back in two minutes", "JOB_PREEMPTED"),
        ("the training failed, see the log for details", "UNKNOWN_FAILURE"),
        ("epoch 7 took 31 s, saved best.pt", "NONE"),
    ],
)
def test_a_sentence_is_called_by_what_it_is_about(words: str, code: str) -> None:
    found = meaning(words)
    assert found is not None
    assert found.code == code, found


def test_words_that_no_example_has_mean_nothing() -> None:
    assert meaning("qwertz zyxwv") is None
    assert meaning("") is None


def test_what_is_learnt_comes_from_the_examples_alone() -> None:
    learnt = learn([Example("DISK_FULL", "a", "the sink overflows"), Example("HOST_OOM", "a", "the bathtub overflows")])
    found = meaning("a sink again", learnt)
    assert found is not None
    assert found.code == "DISK_FULL"
    assert found.lead > 0


def test_the_last_sentence_explains_an_exit_of_the_trainings_own_and_no_kill() -> None:
    found = verdict(log=f"{STEP}{SAID}\n", exit_code=1)
    assert (found.code, found.evidence) == ("DATASET_INVALID_FORMAT", (SAID,))
    assert found.confidence <= 0.7, "a guess says so"
    assert verdict(log=f"{STEP}{SAID}\n", signal=9).code == "TRAINER_KILLED"
    assert verdict(log=f"{STEP}{SAID}\n", exit_code=0).code == "NONE"
    assert verdict(log=f"{SAID}\n{STEP}", exit_code=1).code == "UNKNOWN_FAILURE", "the training went on after it"


@pytest.mark.parametrize(
    "line",
    [
        "data: 1200 images, 12 without labels",
        "saved a.pt, 3 checkpoints left",
        "hint: no labels is a common error",
        "tensorboard not installed, logging to csv",
        "lr scheduler: no warmup",
        "val set has 120 images, no augmentation",
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
def test_reports_and_words_that_only_say_that_it_failed_tell_no_cause(line: str) -> None:
    assert verdict(log=f"{STEP}{line}\n", exit_code=1).code == "UNKNOWN_FAILURE"


def test_above_a_line_that_only_says_that_it_failed_a_cause_has_to_be_clear() -> None:
    failed = "worker reported state FAILED (reason: n/a)\n"
    assert verdict(log=f"{STEP}[node] gpu temperature 83 C, throttle reasons: SW power cap\n{failed}", exit_code=1).code == (
        "UNKNOWN_FAILURE"
    )
    assert verdict(log=f"{STEP}{SAID}\n{failed}", exit_code=1).code == "DATASET_INVALID_FORMAT"


def test_of_several_processes_the_first_that_says_why_is_believed() -> None:
    why = "[2] the list lists/val_b.txt was not copied to this machine, there is no such file here, quitting"
    left = "[0] peer 2 left the group before the first step, leaving too"
    ranks = [
        {"rank": 0, "at": 12.0, "exit_code": 1, "log": left},
        {"rank": 2, "at": 9.0, "exit_code": 1, "log": f"[2] train list: 88120 entries\n{why}"},
    ]
    found = verdict(exit_code=1, log="supervisor: all ranks ended", ranks=ranks)
    assert (found.code, found.evidence) == ("DATASET_NOT_FOUND", (why, "rank 2 failed first"))


def test_only_what_the_trainings_own_code_raised_is_called_by_its_words() -> None:
    for kind in ("RuntimeError", "pipe.gate.NotAccepted"):
        own = OWN.format("/srv/job/train.py", kind, kind, SAID)
        assert verdict(log=own, exit_code=1).code == "DATASET_INVALID_FORMAT", kind
    text = "this lazy wrapper was stepped twice, which it should not be"
    for place in ("/opt/venv/lib/python3.11/site-packages/torch/x.py", "/usr/lib/python3.11/functools.py"):
        library = OWN.format(place, "RuntimeError", "RuntimeError", text)
        assert verdict(log=library, exit_code=1).code == "TRAINING_CODE_ERROR", place


def test_long_lines_cost_no_more_than_their_beginning() -> None:
    assert meaning("quota " * 100_000) == meaning("quota " * (MOST_CHARACTERS // 6 + 1))
    assert {"NONE", "UNKNOWN_FAILURE"} == NO_CAUSE
