"""Who a request comes from: a name and a role, known while it is served."""

from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Literal

from app.db.repositories.jobs import JobFilter

Role = Literal["user", "operator"]
OWNER = "owner"
"""Name of whoever presents the one token of a platform without named ones."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A user sees what is theirs; an operator, of the team on call, sees and steers all."""

    name: str
    role: Role

    @property
    def viewer(self) -> str | None:
        """The user to whose things questions are narrowed; None sees all."""
        return self.name if self.role == "user" else None


caller: ContextVar[Caller | None] = ContextVar("vtp_caller", default=None)


def caller_name() -> str | None:
    """The name of whom the present request comes from; None where it is no person's."""
    found = caller.get()
    return found.name if found is not None else None


def mine(wanted: JobFilter) -> JobFilter:
    """`wanted` narrowed to the jobs that the present caller may see."""
    found = caller.get()
    return wanted if found is None or found.viewer is None else replace(wanted, created_by=found.viewer)
