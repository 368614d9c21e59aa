"""Where the database library's exceptions end."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from app.core.classify import classify
from app.core.errors import DatabaseError, PlatformError

GONE = ("25006", "57P01", "57P02", "57P03")
"""SQLSTATEs after which a connection is of no use: its server goes down, or is a standby now and takes no changes."""
UNSETTLED = ("08", "57", "40003")
"""SQLSTATEs (or how they begin) that an answer to COMMIT may have although the transaction took place."""


class CommitUnknownError(Exception):
    """The connection was lost while a transaction was being committed: it may have taken place, so it is not tried again."""


def sqlstate(error: BaseException) -> str | None:
    """PostgreSQL's code of an error, None where the server has not answered."""
    original = error.orig if isinstance(error, DBAPIError) else error
    state = getattr(original, "sqlstate", None)
    return state if isinstance(state, str) else None


def is_settled(error: BaseException) -> bool:
    """Whether a COMMIT that failed like this has certainly changed nothing."""
    state = sqlstate(error)
    return state is not None and not state.startswith(UNSETTLED)


def is_database_error(error: BaseException) -> bool:
    """Whether SQLAlchemy or a driver raised this.

    While connecting, the drivers let errors of their own, of sockets and of name look-ups through, which SQLAlchemy does
    not wrap.
    """
    if isinstance(error, PlatformError):
        return False
    asyncpg = sys.modules.get("asyncpg")  # loaded only where PostgreSQL is used
    drivers = (asyncpg.PostgresError, asyncpg.InterfaceError) if asyncpg is not None else ()
    return isinstance(error, (SQLAlchemyError, OSError, CommitUnknownError, *drivers))


@contextmanager
def database_errors(operation: str = "transaction") -> Iterator[None]:
    """Turns what SQLAlchemy and its drivers raise into platform errors, the original kept as their cause.

    Raises:
        PlatformError: DISK_FULL where the database has no room.
        DatabaseError: for anything else the database library raised.
    """
    try:
        yield
    except Exception as error:
        if not is_database_error(error):
            raise
        if classify(error).code == "DISK_FULL":
            raise PlatformError.from_code("DISK_FULL", cause=error) from error
        raise DatabaseError(operation, error) from error
