"""The states of jobs and attempts as data, and the one function that changes them.

A terminal state is final. A change that the table does not name is refused with CONFLICT.
"""

from app.core.errors import PlatformError

JOB_STATES: dict[str, frozenset[str]] = {
    # a job that waits for a free agent
    "queued": frozenset({"starting", "failed", "cancelled"}),
    # an agent was asked to take the attempt
    "starting": frozenset({"running", "waiting", "queued", "succeeded", "failed", "cancelling", "cancelled"}),
    "running": frozenset({"succeeded", "failed", "waiting", "cancelling", "cancelled"}),
    # a failed attempt will be tried again at `retry_at`
    "waiting": frozenset({"queued", "failed", "cancelled"}),
    "cancelling": frozenset({"cancelled", "succeeded", "failed"}),
    "succeeded": frozenset(),
    "failed": frozenset(),
    "cancelled": frozenset(),
}

ATTEMPT_STATES: dict[str, frozenset[str]] = {
    # recorded, the agent may not know of it yet
    "created": frozenset({"starting", "running", "succeeded", "failed", "cancelled"}),
    # the agent has accepted it
    "starting": frozenset({"running", "succeeded", "failed", "cancelled"}),
    "running": frozenset({"succeeded", "failed", "cancelled"}),
    "succeeded": frozenset(),
    "failed": frozenset(),
    "cancelled": frozenset(),
}

JOB_FINAL = frozenset(state for state, following in JOB_STATES.items() if not following)
ATTEMPT_FINAL = frozenset(state for state, following in ATTEMPT_STATES.items() if not following)
JOB_ACTIVE = frozenset(JOB_STATES) - JOB_FINAL
ATTEMPT_ACTIVE = frozenset(ATTEMPT_STATES) - ATTEMPT_FINAL


def transition(table: dict[str, frozenset[str]], current: str, wanted: str) -> str:
    """The state after the change from `current` to `wanted`.

    Raises:
        PlatformError: CONFLICT where `table` does not allow the change.
    """
    if wanted not in table[current]:
        raise PlatformError.from_code("CONFLICT", {"state": current, "wanted": wanted})
    return wanted
