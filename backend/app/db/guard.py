"""Where the database library's exceptions end."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import SQLAlchemyError

from app.core.errors import DatabaseError, PlatformError


def is_database_error(error: BaseException) -> bool:
    """Whether SQLAlchemy or a driver raised this.

    While connecting, the drivers let errors of their own, of sockets and of name look-ups through, which SQLAlchemy does
    not wrap.
    """
    if isinstance(error, PlatformError):
        return False
    asyncpg = sys.modules.get("asyncpg")  # loaded only where PostgreSQL is used
    drivers = (asyncpg.PostgresError, asyncpg.InterfaceError) if asyncpg is not None else ()
    return isinstance(error, (SQLAlchemyError, OSError, *drivers))


@contextmanager
def database_errors(operation: str = "transaction") -> Iterator[None]:
    """Turns what SQLAlchemy and its drivers raise into `DatabaseError`, the original kept as its cause.

    Raises:
        DatabaseError: for anything the database library raised.
    """
    try:
        yield
    except Exception as error:
        if not is_database_error(error):
            raise
        raise DatabaseError(operation, error) from error
