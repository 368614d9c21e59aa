"""Migrations lead to exactly the tables of the models, and back."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, select, text

from app.db.models import Base
from app.db.repositories.errors import Seen, record
from app.db.session import MIGRATIONS, Database
from app.db.tracking import ErrorState
from tests.db.conftest import add_job


def config(connection: Connection | None = None) -> Config:
    found = Config()
    found.set_main_option("script_location", str(MIGRATIONS))
    found.attributes["connection"] = connection
    return found


async def run(db: Database, work: Callable[[Connection], Any]) -> Any:
    async with db.engine.execution_options(vtp_write=True).begin() as connection:
        return await connection.run_sync(work)


async def test_the_migrated_tables_are_those_of_the_models(db: Database) -> None:
    def differences(connection: Connection) -> list[Any]:
        return compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), Base.metadata)

    assert await run(db, differences) == []


async def test_every_step_can_be_taken_back_and_again(db: Database) -> None:
    def tables(connection: Connection) -> set[str]:
        return set(inspect(connection).get_table_names()) - {"alembic_version"}

    await db.write(add_job)
    assert await run(db, tables) == set(Base.metadata.tables)
    await run(db, lambda connection: command.downgrade(config(connection), "base"))
    assert await run(db, tables) == set()
    await db.migrate()
    assert await run(db, tables) == set(Base.metadata.tables)


def test_there_is_one_line_of_migrations() -> None:
    assert len(ScriptDirectory.from_config(config()).get_heads()) == 1


async def test_the_state_of_a_group_begins_its_history(db: Database) -> None:
    now = datetime(2026, 11, 23, 12, tzinfo=UTC)
    seen = [Seen(f"v1:{state}", "job", "CUDA_OOM", "line", now) for state in ("open", "resolved", "regressed")]
    ids, _ = await db.write(lambda session: record(session, seen))
    await run(db, lambda connection: command.downgrade(config(connection), "0008"))

    def as_they_stood(connection: Connection) -> None:
        for group_id, state in zip(ids[1:], ("resolved", "regressed"), strict=True):
            values = {"id": group_id, "state": state}
            connection.execute(
                text("update error_groups set state = :state, state_by = 'olga', note = 'n' where id = :id"), values
            )

    await run(db, as_they_stood)
    await db.migrate()
    found = await db.read(lambda session: session.scalars(select(ErrorState).order_by(ErrorState.state.desc())))
    # Who had resolved what came back did not bring it back.
    assert [(row.group_id, row.state, row.set_by, row.note, row.at) for row in found] == [
        (ids[1], "resolved", "olga", "n", now), (ids[2], "regressed", None, None, now),
    ]  # fmt: skip
