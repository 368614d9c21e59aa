"""Where the database library's exceptions end."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import SQLAlchemyError

from app.core.errors import DatabaseError


@contextmanager
def database_errors(operation: str = "transaction") -> Iterator[None]:
    """Turns what SQLAlchemy and its drivers raise into `DatabaseError`, the original kept as its cause.

    The drivers also let raw connection errors and time-outs through, which SQLAlchemy does not wrap.

    Raises:
        DatabaseError: for anything the database library raised.
    """
    try:
        yield
    except (SQLAlchemyError, ConnectionError, TimeoutError) as error:
        raise DatabaseError(operation, error) from error
