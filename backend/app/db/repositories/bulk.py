"""Many rows at once. PostgreSQL gets one statement with an array for each column, a tenth of the cost of many statements."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import orjson
from sqlalchemy import JSON, Column, Table, TextClause, bindparam, select, text, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

SQLITE_KEYS = 5000
"""Keys of one question; SQLite takes some 32,000 values."""
Row = Mapping[str, Any]


def is_sqlite(session: AsyncSession) -> bool:
    """Whether this is SQLite, where a statement for each row costs little."""
    return session.get_bind().dialect.name == "sqlite"


async def insert_many(
    session: AsyncSession,
    table: Table,
    rows: Sequence[Row],
    *,
    keys: tuple[str, ...] = (),
    add: tuple[str, ...] = (),
    put: tuple[str, ...] = (),
) -> None:
    """Inserts `rows`, which all have the same columns.

    Where a row with these `keys` is there, the columns `add` are added to and the columns `put` replaced; with neither it
    stays as it is.
    """
    if not rows:
        return
    connection = await session.connection()
    if not is_sqlite(session):
        statement = _insert(table, tuple(rows[0]), keys, add, put)
        await connection.execute(statement, _columns(table, rows))
        return
    insert: Any = sqlite.insert(table)
    if keys:
        changed = {name: table.c[name] + insert.excluded[name] for name in add}
        changed |= {name: insert.excluded[name] for name in put}
        insert = (
            insert.on_conflict_do_update(index_elements=list(keys), set_=changed)
            if changed
            else insert.on_conflict_do_nothing(index_elements=list(keys))
        )
    await connection.execute(insert, list(rows))


async def existing(session: AsyncSession, table: Table, rows: Sequence[tuple[Any, ...]], keys: tuple[str, ...]) -> set[Any]:
    """Those of `rows`, values of `keys`, that the table has."""
    if not rows:
        return set()
    if is_sqlite(session):
        columns = [table.c[name] for name in keys]
        found: set[Any] = set()
        for start in range(0, len(rows), SQLITE_KEYS):
            query = select(*columns).where(tuple_(*columns).in_(rows[start : start + SQLITE_KEYS]))
            found |= {tuple(row) for row in await session.execute(query)}
        return found
    values = {name: [row[place] for row in rows] for place, name in enumerate(keys)}
    return {tuple(row) for row in await session.execute(_existing(table, keys), values)}


async def update_many(session: AsyncSession, table: Table, rows: Sequence[Row], *, key: str, add: tuple[str, ...]) -> None:
    """Updates the rows that `key` names: the columns `add` are added to, the others replaced."""
    if not rows:
        return
    connection = await session.connection()
    names = tuple(rows[0])
    if not is_sqlite(session):
        await connection.execute(_update(table, names, key, add), _columns(table, rows))
        return
    values = {
        name: table.c[name] + bindparam(f"b_{name}") if name in add else bindparam(f"b_{name}", type_=table.c[name].type)
        for name in names
        if name != key
    }
    statement = update(table).where(table.c[key] == bindparam(f"b_{key}")).values(**values)
    await connection.execute(statement, [{f"b_{name}": value for name, value in row.items()} for row in rows])


def _columns(table: Table, rows: Sequence[Row]) -> dict[str, list[Any]]:
    """The rows turned into columns; JSON as text."""
    found: dict[str, list[Any]] = {}
    for name in rows[0]:
        values = [row[name] for row in rows]
        is_json = isinstance(table.c[name].type, JSON)
        found[name] = [orjson.dumps(value).decode() for value in values] if is_json else values
    return found


@lru_cache(maxsize=64)
def _insert(
    table: Table, names: tuple[str, ...], keys: tuple[str, ...], add: tuple[str, ...], put: tuple[str, ...]
) -> TextClause:
    picked = ", ".join(f"v.{name}::json" if isinstance(table.c[name].type, JSON) else f"v.{name}" for name in names)
    statement = f"insert into {table.name} ({', '.join(names)}) select {picked} from {_rows(table, names)}"  # noqa: S608 - names of ours
    if keys:
        changed = [f"{name} = {table.name}.{name} + excluded.{name}" for name in add]
        changed += [f"{name} = excluded.{name}" for name in put]
        todo = f"update set {', '.join(changed)}" if changed else "nothing"
        statement += f" on conflict ({', '.join(keys)}) do {todo}"
    return text(statement)


@lru_cache(maxsize=64)
def _update(table: Table, names: tuple[str, ...], key: str, add: tuple[str, ...]) -> TextClause:
    changed = [f"{name} = g.{name} + v.{name}" if name in add else f"{name} = v.{name}" for name in names if name != key]
    return text(
        f"update {table.name} as g set {', '.join(changed)} from {_rows(table, names)} where g.{key} = v.{key}"  # noqa: S608 - names of ours
    )


@lru_cache(maxsize=64)
def _existing(table: Table, keys: tuple[str, ...]) -> TextClause:
    picked = ", ".join(f"t.{name}" for name in keys)
    same = " and ".join(f"t.{name} = v.{name}" for name in keys)
    return text(f"select {picked} from {_rows(table, keys)} join {table.name} as t on {same}")  # noqa: S608 - names of ours


def _rows(table: Table, names: tuple[str, ...]) -> str:
    arrays = ", ".join(f"cast(:{name} as {_type(table.c[name])}[])" for name in names)
    return f"unnest({arrays}) as v({', '.join(names)})"


def _type(column: Column[Any]) -> str:
    if isinstance(column.type, JSON):
        return "text"
    return str(column.type.compile(dialect=postgresql.dialect())).partition(" COLLATE")[0]
