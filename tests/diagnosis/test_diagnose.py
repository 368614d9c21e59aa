"""The verdict: pure, deterministic, total; complete in its form; the log of any length, every rank."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.error_messages import REGISTRY
from app.diagnosis.diagnose import diagnose
from app.diagnosis.evidence import Evidence
from app.diagnosis.whole import diagnose_log

FIELDS = [
    *("id", "log", "exit_code", "signal", "killed_by", "oom_kill_delta", "shm_used_fraction", "disk_free_bytes", "error"),
    *(
        "preemption_notice",
        "heartbeat_age_s",
        "step_age_s",
        "exceptions",
        "ranks",
        "step_limit_s",
        "stack",
        "where",
        "entity",
    ),
]
SHOWN = [
    *("id", "code", "type", "severity", "causer", "reaction", "confidence", "entity", "evidence", "fingerprint"),
    *("message", "suggested_action", "fixes"),
]
OOM = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 3 has a total capacity of 8.00 GiB"
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=8), inner, max_size=5)
    ),
    max_leaves=12,
)
WORDS = [
    *(
        "Traceback (most recent call last):",
        '  File "a.py", line 1, in f',
        "    f()",
        OOM,
        "KeyError: 'x'",
        "step 1 loss nan",
    ),
    *(
        "[rank1]: ValueError: a",
        "Original Traceback (most recent call last):",
        "\r\x1b[K 3/9 [00:01<00:02, 1it/s]",
        "Killed",
    ),
    *(
        "During handling of the above exception, another exception occurred:",
        "Root Cause (first observed failure):",
        "\ud800",
    ),
    "",
]
words = st.sampled_from(WORDS)


def verdict(**evidence: Any) -> str:
    return diagnose(Evidence.from_dict(evidence)).code


@settings(max_examples=150, deadline=None)
@given(json_values)
def test_any_json_gives_a_verdict(value: Any) -> None:
    found = diagnose(Evidence.from_dict(value)).to_dict()
    assert list(found) == list(SHOWN)
    assert found["code"] == "NONE" or found["code"] in REGISTRY
    assert 0 <= found["confidence"] <= 1
    json.dumps(found)


@settings(max_examples=150, deadline=None)
@given(st.lists(words, max_size=14), st.sampled_from([None, 0, 1, 137, -11, 143]))
def test_any_log_gives_the_same_verdict_twice(lines: list[str], exit_code: int | None) -> None:
    raw = {"log": "\n".join(lines), "exit_code": exit_code}
    first, second = (diagnose(Evidence.from_dict(raw)) for _ in range(2))
    assert first == second
    failed = diagnose(Evidence.from_dict(raw), failed=True)
    assert failed.code != "NONE"


@pytest.mark.parametrize("number", [10**400, float("nan"), float("inf")])
def test_numbers_that_are_none_count_as_unknown(number: float) -> None:
    assert verdict(signal=9, heartbeat_age_s=number, step_age_s=number) == "TRAINER_KILLED"


def test_a_verdict_says_which_line_decided() -> None:
    found = diagnose(Evidence.from_dict({"log": f"step 1\r\nstep 2\n{OOM}\n", "exit_code": 1}))
    assert (found.code, found.line, found.entity) == ("CUDA_OOM", 3, "GPU 3")
    assert found.evidence == (OOM,)


def test_the_supervisors_own_kill_outweighs_everything() -> None:
    assert verdict(killed_by="timeout", signal=9, oom_kill_delta=1, log=OOM) == "TRAINING_TIMEOUT"
    assert verdict(killed_by="cancel", exit_code=0) == "TRAINING_CANCELLED"


def test_a_notice_explains_a_lost_worker_but_no_fault_of_the_trainings_own() -> None:
    lost = "RuntimeError: DataLoader worker (pid 3391) is killed by signal: Terminated. "
    assert verdict(preemption_notice=True, exit_code=1, log=lost) == "JOB_PREEMPTED"
    assert verdict(preemption_notice=True, exit_code=1, log=OOM) == "CUDA_OOM"


def test_a_claim_that_says_nothing_leaves_the_word_to_the_log() -> None:
    claim = {"code": "TRAINING_CODE_ERROR", "message": "failed"}
    assert verdict(error=claim, exit_code=1, log=OOM) == "CUDA_OOM"
    assert verdict(error=claim, exit_code=1) == "TRAINING_CODE_ERROR"
    assert verdict(error={"code": "OOPS", "message": "x"}, exit_code=1) == "UNKNOWN_FAILURE"


def test_the_earliest_rank_that_failed_by_itself_is_the_root() -> None:
    lost = "torch.distributed.DistBackendError: NCCL communicator was aborted on rank 0."
    ranks = [
        {"rank": 0, "at": 9.0, "exit_code": -6, "log": lost},
        {"rank": 1, "at": 7.0, "exit_code": 1, "log": "KeyError: 'lr'"},
        {"rank": 2, "at": 8.0, "exit_code": 1, "log": OOM},
    ]
    assert verdict(ranks=ranks, exit_code=1) == "TRAINING_CODE_ERROR"
    assert verdict(ranks=[ranks[0]], exit_code=1) == "DISTRIBUTED_COMM_ERROR"
    killed = {"rank": 3, "at": 6.0, "signal": 9, "log": ""}
    assert verdict(ranks=[*ranks, killed], exit_code=1) == "TRAINER_KILLED"


def test_exit_0_is_no_failure_unless_the_training_learnt_nothing() -> None:
    assert verdict(exit_code=0, log=f"ERROR {OOM}\n") == "NONE"
    assert verdict(exit_code=0, log="step 1 loss nan\nstep 2 loss nan\n") == "TRAINING_DIVERGED"
    assert verdict(log="epoch 1 loss 0.2\n") == "NONE"
    assert verdict() == "UNKNOWN_FAILURE"


def test_where_the_tail_does_not_decide_the_rest_is_looked_at() -> None:
    filler = "".join(f"line {number} of a dump\n" for number in range(40_000))
    log = f"start\n{OOM}\n{filler}job failed\n"
    assert verdict(log=log, exit_code=1) == "CUDA_OOM"
    found = diagnose_log(log.encode(), 1)
    assert (found.code, found.line) == ("CUDA_OOM", 2)
    late = diagnose_log(f"{filler}{OOM}\n".encode(), 1)
    assert (late.code, late.line) == ("CUDA_OOM", 40_001)


def test_the_frames_of_error_json_count() -> None:
    frames = [{"file": "/v/ultralytics/nn/tasks.py", "line": 1, "function": "parse_model", "code": "c1 = ch[f]"}]
    chain = [{"type": "IndexError", "module": "builtins", "message": "list index out of range", "frames": frames}]
    assert verdict(exceptions=chain, exit_code=13) == "INVALID_MODEL"
    assert verdict(exceptions=[{**chain[0], "frames": None}], exit_code=13) == "TRAINING_CODE_ERROR"


def test_an_exception_that_only_tells_of_another_processs_end_counts_where_nothing_else_does() -> None:
    lost = [{"type": "RuntimeError", "message": "DataLoader worker (pid 5) is killed by signal: Killed. "}]
    assert verdict(exceptions=lost, exit_code=13) == "TRAINER_KILLED"
    assert verdict(exceptions=lost, exit_code=13, oom_kill_delta=1) == "HOST_OOM"
    assert verdict(exceptions=lost, exit_code=13, log=OOM) == "CUDA_OOM"


def test_of_several_processes_one_that_the_kernel_killed_for_memory_says_so_by_its_own_log() -> None:
    killed = {"rank": 2, "at": 1.0, "signal": 9, "log": "[1.2] Memory cgroup out of memory: Killed process 23 (python3)\n"}
    others = [
        {"rank": rank, "at": 600.0, "signal": 6, "log": "Watchdog caught collective operation timeout"} for rank in (0, 1)
    ]
    found = diagnose(Evidence.from_dict({"exit_code": 1, "ranks": [*others, killed]}))
    assert (found.code, found.evidence[-1]) == ("HOST_OOM", "rank 2 failed first")
