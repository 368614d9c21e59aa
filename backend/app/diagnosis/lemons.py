"""Whether a training machine is why trainings fail on it: compared with the other machines, over a window. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.core.error_messages import REGISTRY

LEAST_FAILURES, LEAST_JOBS = 3, 2
"""Failures of the platform's own, and jobs that they ended an attempt of, before a machine can be suspected."""
LEAST_SHARE, TIMES_OTHERS = 0.5, 3.0
"""The share of attempts that fail on it, and how many times the share elsewhere that has to be."""
LEAST_ELSEWHERE = 3
"""Attempts that must have ended on other machines: without a comparison it may as well be the data, or the store."""
NO_MACHINES_FAULT = frozenset({"JOB_PREEMPTED"})


@dataclass(frozen=True, slots=True)
class Ended:
    """An attempt that has ended: on which machine, of which job, with which code (None where it did not fail)."""

    agent_id: str
    job_id: str
    code: str | None

    @property
    def platforms(self) -> bool:
        """Whether it failed and a user's data or settings are not to blame."""
        row = REGISTRY.get(self.code or "")
        return row is not None and row.budget == "platform" and row.code not in NO_MACHINES_FAULT


def suspicion(agent_id: str, ended: Sequence[Ended]) -> str | None:
    """Why trainings should be kept from a machine, in words; None where nothing speaks against it."""
    here = [one for one in ended if one.agent_id == agent_id]
    elsewhere = [one for one in ended if one.agent_id != agent_id]
    bad = [one for one in here if one.platforms]
    if len(bad) < LEAST_FAILURES or len({one.job_id for one in bad}) < LEAST_JOBS or len(elsewhere) < LEAST_ELSEWHERE:
        return None
    bad_elsewhere = sum(one.platforms for one in elsewhere)
    share, usual = len(bad) / len(here), bad_elsewhere / len(elsewhere)
    if share < LEAST_SHARE or share < TIMES_OTHERS * usual:
        return None
    codes = ", ".join(sorted({one.code or "" for one in bad}))
    return f"{len(bad)} of {len(here)} attempts failed here ({codes}), {bad_elsewhere} of {len(elsewhere)} elsewhere"
