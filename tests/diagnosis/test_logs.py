"""A log is read by its structure: what was overcome, what follows from others, what ended the process."""

import pytest

from app.diagnosis.logs import read_log
from app.diagnosis.text import Log, tone_of

TRACE = 'Traceback (most recent call last):\n  File "t.py", line 1, in <module>\n    f()\n'


def code(text: str) -> str | None:
    root = read_log(text).root
    return root.code if root is not None else None


def test_a_failure_that_training_went_on_after_is_no_cause() -> None:
    handled = f"ERROR cache unreadable\n{TRACE}_pickle.UnpicklingError: pickle data was truncated\n"
    assert code(handled) == "CHECKPOINT_INVALID"
    assert code(f"{handled}epoch 1 loss 0.3\n") is None


def test_a_bar_that_is_drawn_again_when_it_is_closed_is_no_progress() -> None:
    bar = "  6%|▋         | 1/16 [00:01<00:15,  1.0it/s]"
    assert code(f"{bar}{TRACE}IndexError: Target 8 is out of bounds.\n{bar}\n") == "MODEL_DATA_MISMATCH"
    assert code(f"{bar}{TRACE}IndexError: Target 8 is out of bounds.\n{bar.replace('1/16', '2/16')}\n") is None


def test_the_progress_of_another_rank_overcomes_nothing() -> None:
    assert code("[rank1]: ValueError: Unknown model x\n[rank0]: step 7 loss 0.1\n") == "INVALID_MODEL"
    assert code("[rank1]: ValueError: Unknown model x\n[rank1]: step 7 loss 0.1\n") is None


def test_the_traceback_that_ended_the_process_outweighs_errors_logged_before() -> None:
    before = "2026-03-01 10:00:00 ERROR fetch: HTTP Error 503: Service Unavailable\n"
    assert code(f"{before}{TRACE}NameError: name 'x' is not defined\n") == "TRAINING_CODE_ERROR"
    assert code(f"{before}{TRACE}RuntimeError: gave up\n") == "DOWNLOAD_FAILED"


def test_what_follows_from_another_rank_is_never_the_root() -> None:
    reading = read_log(
        "[rank0]:[E1 ProcessGroupNCCL.cpp:616] [Rank 0] Watchdog caught collective operation timeout: WorkNCCL\n"
        "[rank2]: PIL.UnidentifiedImageError: cannot identify image file 'a.png'\n"
        "torch.distributed.elastic.multiprocessing.errors.ChildFailedError: \n"
    )
    assert reading.root is not None
    assert (reading.root.code, reading.root.entity) == ("DATASET_BROKEN", "a.png")


def test_torchruns_own_finding_of_the_first_rank_is_believed() -> None:
    reading = read_log(
        "[rank1]: ValueError: Unknown model x\n[rank2]: KeyError: 'lr'\n"
        "Root Cause (first observed failure):\n[0]:\n  time      : 2026\n  rank      : 2 (local_rank: 2)\n"
        "  exitcode  : 1 (pid: 7)\n"
    )
    assert reading.elastic == ("2", 1)
    assert reading.root is not None
    assert reading.root.text == "KeyError: 'lr'"


def test_of_two_exceptions_in_a_chain_the_first_that_says_something_counts() -> None:
    during = "\nDuring handling of the above exception, another exception occurred:\n\n"
    nan_first = f"{TRACE}FloatingPointError: loss became nan\n{during}{TRACE}sqlite3.IntegrityError: NOT NULL\n"
    assert code(nan_first) == "TRAINING_DIVERGED"
    probe_first = f"{TRACE}KeyError: 'vit'\n{during}{TRACE}ValueError: Unknown model vit\n"
    assert code(probe_first) == "INVALID_MODEL"
    cache_first = (
        f"{TRACE}FileNotFoundError: [Errno 2] No such file or directory: 'a.cache'\n"
        f"{during}{TRACE}ValueError: No labels found in a.cache\n"
    )
    assert code(cache_first) == "DATASET_INVALID_FORMAT"


def test_lines_from_before_the_training_are_no_part_of_it() -> None:
    xid = "NVRM: Xid (PCI:0000:65:00): 79, GPU has fallen off the bus.\n"
    assert code(f"--- dmesg before start ---\n{xid}--- job output ---\nstep 1 loss 2\n") is None
    assert code(f"--- dmesg ---\n{xid}--- job output ---\nstep 1 loss 2\n") is None
    assert code(f"--- job output ---\nstep 1 loss 2\n--- dmesg ---\n{xid}") == "GPU_HARDWARE_FAULT"


@pytest.mark.parametrize(
    ("line", "tone"),
    [
        ("2026-03-01 10:00:00 WARNING train: CUDA out of memory", "soft"),
        ("[W1119 00:58:12.1 TCPStore.cpp:106] sendBytes failed", "soft"),
        ("UserWarning: Plan failed with a cudnnException", "soft"),
        ("hint: CUDA out of memory errors can be avoided", "soft"),
        ("args: Namespace(lr=0.1, on_error='stop')", "soft"),
        ("2026-03-01 10:00:00 ERROR train: job failed after a WARNING", "hard"),
        ("E0321 08:00:00.1 99 api.py:869] failed (exitcode: -9)", "hard"),
        ("epoch 1 loss 0.2", "plain"),
    ],
)
def test_a_line_says_what_weight_it_has(line: str, tone: str) -> None:
    assert tone_of(line) == tone


def test_colours_and_carriage_returns_leave_the_lines_and_their_numbers() -> None:
    log = Log("a\r\n\x1b[31mb\x1b[0m 10%\rb 20%\nc")
    assert [(line.number, line.text) for line in log.lines] == [(1, "a"), (2, "b 10%"), (2, "b 20%"), (3, "c")]


def test_a_log_of_a_million_characters_in_one_line_is_read() -> None:
    assert code("x" * 1_000_000) is None


def test_a_traceback_in_one_string_of_a_json_line_is_read() -> None:
    line = (
        r'{"level": "ERROR", "exc_info": "Traceback (most recent call last):\n  File \"/app/t.py\", line 3, in f\n'
        r'    f()\nValueError: Unknown model \"r51\"", "pid": 7}'
    )
    found = read_log(f"start\n{line}\nend\n").root
    assert found is not None
    assert (found.code, found.text) == ("INVALID_MODEL", 'ValueError: Unknown model "r51"')
