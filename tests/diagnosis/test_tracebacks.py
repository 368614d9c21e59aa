"""Tracebacks are found whole, in whatever a launcher made of them, and chained as Python chains them."""

from app.diagnosis.text import Log
from app.diagnosis.tracebacks import Raised, is_exception, kind_of, read_tracebacks


def read(text: str) -> list[Raised]:
    return read_tracebacks(Log(text))


ONE = 'Traceback (most recent call last):\n  File "t.py", line 1, in <module>\n    f()\n'


def test_a_traceback_has_frames_and_the_whole_message() -> None:
    text = "RuntimeError: Error(s) in loading state_dict for Net:\n\tsize mismatch for a.weight: x\n\tsize mismatch for b: y"
    (block,) = read(f"step 1\n{ONE}{text}\nstep 2 loss 0.1\n")
    assert (block.kind, block.text) == ("RuntimeError", text)
    assert 'File "t.py", line 1, in <module>' in block.frames
    assert (block.start, block.head, block.end) == (1, 4, 6)


def test_causes_are_chained_root_first() -> None:
    because = "\nThe above exception was the direct cause of the following exception:\n\n"
    first, second = read(f"{ONE}ValueError: a\n{because}{ONE}RuntimeError: b\n")
    assert first.chain is second.chain
    assert [block.kind for block in first.chain] == ["ValueError", "RuntimeError"]
    assert not second.handling


def test_what_is_raised_while_another_is_handled_says_so() -> None:
    during = "\nDuring handling of the above exception, another exception occurred:\n\n"
    _, second = read(f"{ONE}KeyError: 'a'\n{during}{ONE}ValueError: b\n")
    assert second.handling


def test_two_tracebacks_that_have_nothing_to_do_with_each_other_are_not_chained() -> None:
    first, second = read(f"{ONE}ValueError: a\nstep 2 loss 0.1\n{ONE}RuntimeError: b\n")
    assert first.chain is not second.chain


def test_a_loaders_wrapper_is_told_from_what_it_carries() -> None:
    text = f"{ONE}KeyError: Caught KeyError in DataLoader worker process 0.\nOriginal {ONE}KeyError: 'w'\n"
    wrapper, original = read(text)
    assert (wrapper.role, original.role) == ("wrapper", "plain")
    assert wrapper.chain is original.chain


def test_what_the_interpreter_says_while_it_cleans_up_is_noise() -> None:
    (block,) = read(f"Exception ignored in: <function f at 0x7f>\n{ONE}AssertionError: can only test a child process\n")
    assert block.role == "noise"


def test_a_threads_end_is_not_the_processs() -> None:
    (block,) = read(f"Exception in thread Thread-1 (run):\n{ONE}OSError: x\n")
    assert block.role == "thread"


def test_interleaved_ranks_are_told_apart() -> None:
    lines = [f"[rank1]: {line}" for line in f"{ONE}ValueError: mine".split("\n")]
    lines[1:1] = ["[rank0]: step 1 loss 0.1"]
    lines[3:3] = ["[rank0]: step 2 loss 0.1"]
    (block,) = read("\n".join(lines))
    assert (block.rank, block.text) == ("1", "ValueError: mine")


def test_a_traceback_behind_a_progress_bar_or_a_loggers_prefix_is_found() -> None:
    (bar,) = read(f"  0%|          | 0/16 [00:00<?, ?it/s]{ONE}IndexError: Target 8 is out of bounds.\n")
    assert bar.kind == "IndexError"
    prefix = "2026-03-01 10:00:00,001 ERROR root: "
    (logged,) = read("\n".join(prefix + line for line in f"{ONE}KeyError: 'x'".split("\n")))
    assert logged.text == "KeyError: 'x'"


def test_a_traceback_that_the_logs_end_cuts_is_not_complete() -> None:
    (block,) = read(ONE)
    assert not block.complete


def test_exceptions_are_known_by_their_form() -> None:
    assert is_exception("torch.OutOfMemoryError: CUDA out of memory")
    assert is_exception("KeyboardInterrupt")
    assert not is_exception("Error rate: 0.3")
    assert kind_of("botocore.exceptions.ClientError: x") == "ClientError"
