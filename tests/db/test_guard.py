"""What the database library raises becomes DatabaseError; everything else passes."""

import socket

import asyncpg
import pytest
from sqlalchemy.exc import IntegrityError, OperationalError

from app.core.errors import DatabaseError, PlatformError
from app.core.errors import TimeoutError as OperationTimeout
from app.db.guard import database_errors


@pytest.mark.parametrize(
    "error",
    [
        OperationalError("select 1", {}, Exception("secret")),
        IntegrityError("insert", {}, Exception("duplicate")),
        ConnectionRefusedError(111, "refused"),
        TimeoutError(),
        socket.gaierror(-2, "no such name"),
        OSError(113, "no route"),
        asyncpg.CannotConnectNowError("starting up"),
        asyncpg.InterfaceError("closed"),
    ],
)
def test_database_failures_are_translated_with_their_cause(error: Exception) -> None:
    with pytest.raises(DatabaseError) as caught, database_errors("reading"):
        raise error
    assert caught.value.__cause__ is error
    assert caught.value.context["operation"] == "reading"


@pytest.mark.parametrize("error", [PlatformError.from_code("NOT_FOUND"), OperationTimeout("x", 1), ValueError("x")])
def test_other_failures_pass_as_they_are(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, database_errors():
        raise error
    assert caught.value is error


def test_without_a_failure_nothing_happens() -> None:
    with database_errors():
        pass
