"""Statements inside what is under way have spans, named by what they do and without values."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from sqlalchemy import text

from app.core import spans
from app.core.errors import DatabaseError
from app.core.spans import continue_trace
from app.db.session import Database

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def exported() -> Any:
    """What a collector would get."""
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    spans.use(provider)
    yield exporter
    spans.use(None)


@pytest.fixture
async def db(exported: InMemorySpanExporter, tmp_path: Path) -> AsyncIterator[Database]:
    """A database with one table."""
    database = Database(f"sqlite:///{tmp_path / 'x.db'}")
    await database.write(lambda session: session.execute(text("create table things (id integer, name text)")))
    exported.clear()
    yield database
    await database.close()


async def test_a_statement_is_named_by_what_it_does_and_shows_no_value(db: Database, exported: InMemorySpanExporter) -> None:
    continue_trace(PARENT)
    insert = text("insert into things values (:id, :name)")
    await db.write(lambda session: session.execute(insert, {"id": 1, "name": "hunter2"}))
    await db.read(lambda session: session.execute(text("select name from things")))
    found = {span.name: dict(span.attributes or {}) for span in exported.get_finished_spans()}
    assert {"INSERT things", "SELECT things"} <= set(found)
    assert found["INSERT things"]["db.system.name"] == "sqlite"
    assert found["INSERT things"]["db.operation.name"] == "INSERT"
    assert found["SELECT things"]["db.query.text"] == "select name from things"
    assert "hunter2" not in str(found)
    assert all(f"{span.context.trace_id:032x}" == PARENT[3:35] for span in exported.get_finished_spans())


async def test_a_statement_that_fails_is_marked(db: Database, exported: InMemorySpanExporter) -> None:
    continue_trace(PARENT)
    with pytest.raises(DatabaseError):
        await db.read(lambda session: session.execute(text("select name from nothing_there")))
    failed = [span for span in exported.get_finished_spans() if span.name == "SELECT nothing_there"]
    assert failed
    assert all(span.status.status_code is StatusCode.ERROR for span in failed)


async def test_a_statement_for_nobody_in_particular_has_none(db: Database, exported: InMemorySpanExporter) -> None:
    await db.read(lambda session: session.execute(text("select 1")))
    assert exported.get_finished_spans() == ()
