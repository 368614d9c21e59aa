"""What the way a process ended tells: exit codes and signals, read by evidence."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from app.diagnosis.evidence import Evidence

SIGNALS = {
    1: "SIGHUP",
    2: "SIGINT",
    3: "SIGQUIT",
    4: "SIGILL",
    5: "SIGTRAP",
    6: "SIGABRT",
    7: "SIGBUS",
    8: "SIGFPE",
    9: "SIGKILL",
    11: "SIGSEGV",
    15: "SIGTERM",
    24: "SIGXCPU",
    25: "SIGXFSZ",
}
CRASHES = frozenset({3, 4, 5, 6, 7, 8, 11})
EXIT_CANCELLED, EXIT_PREEMPTED = 20, 21
LOST_AFTER_S, HUNG_AFTER_S = 30.0, 600.0
SHM_FULL = 0.95
DISK_LEFT = 1 << 20
"""Bytes free below which nothing that matters can be written."""
TIMED_OUT, NOT_EXECUTABLE, NO_COMMAND = 124, 126, 127

END_IN = 20
"""Last lines of a log in which a training says that it has reached its end."""
_COMPLETED = re.compile(
    r"\btrain_runtime\b|\b\d+ epochs completed in\b|\btraining (?:is |has )?(?:complete|finished|done)\b"
    r"|\bmax_epochs=\d+` reached",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One explanation: its code, how sure it is, what decided, what it is about, the line and frames that it came from."""

    code: str
    confidence: float
    because: tuple[str, ...]
    entity: str | None = None
    line: int | None = None
    frames: str = ""
    tier: int = 10


def ended(evidence: Evidence) -> str:
    """How the process ended, in words."""
    if evidence.signal is not None:
        return f"ended by {SIGNALS.get(evidence.signal, f'signal {evidence.signal}')}"
    return f"exit code {evidence.exit_code}" if evidence.exit_code is not None else "how it ended is not known"


def killed_by_supervisor(evidence: Evidence) -> Finding | None:
    """What the agent did itself is certain."""
    if evidence.killed_by == "timeout":
        return Finding("TRAINING_TIMEOUT", 0.99, ("killed_by: timeout",))
    if evidence.killed_by == "cancel":
        return Finding("TRAINING_CANCELLED", 0.99, ("killed_by: cancel",))
    if evidence.killed_by == "shutdown":
        return Finding("JOB_PREEMPTED", 0.99, ("killed_by: shutdown",))
    return None


def reached_its_end(lines: Sequence[str]) -> bool:
    """Whether one of the last of these lines says that the training has reached its end."""
    return any(_COMPLETED.search(line) for line in lines[-END_IN:])


def preempted(evidence: Evidence) -> Finding | None:
    """The machine was to be taken away."""
    return Finding("JOB_PREEMPTED", 0.97, ("preemption_notice: true",)) if evidence.preemption_notice else None


def memory_kill(evidence: Evidence) -> Finding | None:
    """The kernel killed for memory, by its own counter."""
    delta = evidence.oom_kill_delta or 0
    return Finding("HOST_OOM", 0.97, (f"oom_kill_delta: {delta}", ended(evidence))) if delta > 0 else None


def silence(evidence: Evidence) -> Finding | None:
    """Nothing was heard of the process, or it did nothing, until it was given up."""
    if evidence.signal not in (None, 9, 15) or (evidence.signal is None and evidence.exit_code is not None):
        return None
    if (evidence.heartbeat_age_s or 0) > LOST_AFTER_S:
        return Finding("TRAINER_LOST", 0.96, (f"heartbeat_age_s: {evidence.heartbeat_age_s:g}",))
    limit = evidence.step_limit_s or HUNG_AFTER_S
    if evidence.heartbeat_age_s is not None and (evidence.step_age_s or 0) > limit:
        because = f"step_age_s: {evidence.step_age_s:g}, over the limit of {limit:g} s, while heartbeats went on"
        return Finding("TRAINING_HUNG", 0.95, (because,))
    return None


BY_EXIT = {
    EXIT_CANCELLED: ("TRAINING_CANCELLED", 0.9, "exit code 20: cancelled"),
    EXIT_PREEMPTED: ("JOB_PREEMPTED", 0.9, "exit code 21: preempted, a checkpoint was written"),
    TIMED_OUT: ("TRAINING_TIMEOUT", 0.75, "exit code 124: the command `timeout` ended it"),
    NOT_EXECUTABLE: ("FILE_PERMISSION_DENIED", 0.7, "exit code 126: the command could not be executed"),
    NO_COMMAND: ("DEPENDENCY_ERROR", 0.7, "exit code 127: the command was not found"),
}
BY_SIGNAL = {
    1: ("TRAINING_CANCELLED", 0.9),
    2: ("TRAINING_CANCELLED", 0.9),
    24: ("TRAINING_TIMEOUT", 0.8),
    25: ("DISK_FULL", 0.75),
}


def at_work(evidence: Evidence) -> bool:
    """Whether the process still runs and has just finished a step: whatever its log says did not stop it."""
    running = evidence.exit_code is None and evidence.signal is None and not evidence.killed_by
    fresh = evidence.heartbeat_age_s is not None and evidence.heartbeat_age_s <= LOST_AFTER_S
    return running and fresh and evidence.step_age_s is not None and evidence.step_age_s <= LOST_AFTER_S


def no_room(evidence: Evidence) -> Finding | None:
    """A process that ended itself where nothing could be written any more."""
    if evidence.signal is not None or not evidence.exit_code or evidence.disk_free_bytes is None:
        return None
    because = (f"disk_free_bytes: {evidence.disk_free_bytes}", ended(evidence))
    return Finding("DISK_FULL", 0.75, because) if evidence.disk_free_bytes < DISK_LEFT else None


def last_resort(evidence: Evidence) -> Finding | None:
    """What the exit alone tells, when nothing else does."""
    signal, code = evidence.signal, evidence.exit_code
    if code in BY_EXIT and signal is None:
        name, sure, because = BY_EXIT[code]
        return Finding(name, sure, (because,))
    if signal is None:
        return None
    if signal == 7 and (evidence.shm_used_fraction or 0) >= SHM_FULL:
        return Finding("SHM_EXHAUSTED", 0.92, (ended(evidence), f"shm_used_fraction: {evidence.shm_used_fraction}"))
    if signal in CRASHES:
        return Finding("TRAINER_CRASHED", 0.93, (ended(evidence),))
    if signal in BY_SIGNAL:
        name, sure = BY_SIGNAL[signal]
        return Finding(name, sure, (ended(evidence),))
    return Finding("TRAINER_KILLED", 0.9, (ended(evidence), *_nothing_known(evidence)))


def _nothing_known(evidence: Evidence) -> tuple[str, ...]:
    """Says what was looked at and did not explain a kill."""
    if evidence.oom_kill_delta is None:
        return ("no record of who sent it, and none of memory: the cause is not known",)
    return ("oom_kill_delta: 0", "no cancel, time limit or preemption on record: the cause is not known")
