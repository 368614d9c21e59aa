"""What is told of a transaction only once it is committed: one that is rolled back, or tried again, has not happened."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.metrics import contained


def after_commit(session: AsyncSession, tell: Callable[[], None], what: str) -> None:
    """Calls `tell` when the transaction is committed; an error in it is counted under `what` and goes no further."""

    def told(_session: Any) -> None:
        with contained(what):
            tell()

    event.listen(session.sync_session, "after_commit", told, once=True)
