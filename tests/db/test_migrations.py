"""Migrations lead to exactly the tables of the models, and back."""

from collections.abc import Callable
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from app.db.models import Base
from app.db.session import MIGRATIONS, Database
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
