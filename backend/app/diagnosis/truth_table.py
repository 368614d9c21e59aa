"""How the exits of killed and crashed processes are read, as a table made from the diagnosis itself."""

from typing import Any

from app.diagnosis.diagnose import diagnose
from app.diagnosis.ending import SIGNALS
from app.diagnosis.evidence import Evidence

ENDINGS = (9, 11, 15, 6, 7)
"""Signals of the columns; a shell and Docker report them as 128 + the number."""
_SLURM = "slurmstepd: error: *** JOB 1 ON n CANCELLED AT 2026-01-01T00:00:00 DUE TO "
_OOM = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 8.00 GiB"
_NCCL = "[rank0]:[E1119 15:45:01.4 ProcessGroupNCCL.cpp:632] [Rank 0] Watchdog caught collective operation timeout"
_BUS = "ERROR: Unexpected bus error encountered in worker. This might be caused by insufficient shared memory (shm)."
_ALLOC = "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc"
ROWS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("nothing else is known", {}),
    ("`oom_kill` is known not to have risen", {"oom_kill_delta": 0}),
    ("`oom_kill` rose", {"oom_kill_delta": 1}),
    ("a kernel or scheduler line says out of memory", {"log": "Out of memory: Killed process 4711 (python)"}),
    ("the supervisor killed it for its time limit", {"killed_by": "timeout"}),
    ("the supervisor killed it for a cancel", {"killed_by": "cancel"}),
    ("the agent was shut down or drained", {"killed_by": "shutdown"}),
    ("there was a preemption notice", {"preemption_notice": True}),
    ("a scheduler line says preemption", {"log": f"{_SLURM}PREEMPTION ***"}),
    ("a scheduler line says time limit", {"log": f"{_SLURM}TIME LIMIT ***"}),
    ("heartbeats stopped", {"heartbeat_age_s": 1200, "step_age_s": 1205}),
    ("heartbeats went on, steps did not", {"heartbeat_age_s": 2, "step_age_s": 3600}),
    ("shared memory is full", {"shm_used_fraction": 1.0}),
    ("the disk is full", {"disk_free_bytes": 0}),
    ("the log ends with CUDA out of memory", {"log": _OOM}),
    ("the log says device-side assert", {"log": "RuntimeError: CUDA error: device-side assert triggered"}),
    ("the log says `std::bad_alloc`", {"log": _ALLOC}),
    ("the log says that NCCL timed out", {"log": _NCCL}),
    ("the log says that a loader worker had a bus error", {"log": _BUS}),
    ("the log says double free", {"log": "double free or corruption (!prev)"}),
)


def truth_table_markdown() -> str:
    """The table of docs/reference/exit-137.md: a row for what else is known, a column for how the process ended."""
    head = ["Also known", *(f"{128 + signal} ({SIGNALS[signal]})" for signal in ENDINGS)]
    rows = [head, ["---"] * len(head)]
    for words, facts in ROWS:
        codes = [diagnose(Evidence.from_dict({**facts, "exit_code": 128 + signal})).code for signal in ENDINGS]
        rows.append([words, *(f"`{code}`" for code in codes)])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"
