"""Fills a database with occurrences as the error tracking would have stored them, by a few large statements.

A third as many jobs as occurrences fail, each in one way; kinds of failures grow with the root of the occurrences, and few
of them are frequent. Everything is spread over 90 days.
"""

import hashlib
import random
import sqlite3
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

USERS = 200
DAYS = 90
JOBS = 300_000
"""The newest jobs, which have rows of their own."""
CODES = (
    ("CUDA_OOM", "user", "CUDA out of memory allocating tensor of convolution layer"),
    ("DATASET_NOT_FOUND", "user", "data set archive missing from folder of uploads"),
    ("TRAINER_LOST", "hardware", "heartbeat of agent silent on machine"),
    ("STORAGE_ERROR", "dependency", "bucket refused upload of checkpoint file"),
    ("TRAINING_CODE_ERROR", "user", "RuntimeError in loss of custom head"),
    ("DISK_FULL", "platform", "no space left on device while saving weights"),
)
INDEXES = {
    "error_occurrences": {
        "ix_error_occurrences_at": "at",
        "ix_error_occurrences_trace_id": "trace_id",
        "ix_error_occurrences_group": "group_id, id",
        "ix_error_occurrences_user": "user_name, group_id, id",
    },
    "error_affected": {
        "ix_error_affected_name": "kind, name, last_at",
        "ix_error_affected_newest": "group_id, kind, last_at",
    },
    "error_counts": {"ix_error_counts_bucket": "span, bucket, user_name"},
}


def groups_of(rows: int) -> int:
    """Kinds of failures among so many occurrences."""
    return max(50, int(rows**0.5) * 6)


def failed_job(rows: int, rng: random.Random) -> int:
    """The number of a failed job that has a row."""
    jobs = max(1, rows // 3)
    return max(0, jobs - JOBS) + rng.randrange(1, min(jobs, JOBS), 2)


def word_of(number: int) -> str:
    """A rare word that only one group has."""
    return "w" + hashlib.sha256(str(number).encode()).hexdigest()[:9]


def fingerprint_of(number: int) -> str:
    """The fingerprint of a group."""
    return "v1:" + hashlib.sha256(f"group {number}".encode()).hexdigest()[:16]


def statements(rows: int, *, postgres: bool) -> Iterable[str]:
    """What fills the tables, in order."""
    groups, jobs = groups_of(rows), max(1, rows // 3)
    moment = (
        "timestamptz '2026-08-26 00:00:00+00' + interval '1 second' * ({} * 7776000.0 / {})"
        if postgres
        else "strftime('%Y-%m-%d %H:%M:%S', 1787702400 + cast({} * 7776000.0 / {} as integer), 'unixepoch') || '.000000'"
    )
    chance = "(({} * 2654435761) % 4294967296) / 4294967296.0"
    group = (
        f"1 + cast({groups} * {{0}} * {{0}} * {{0}} as integer)"
        if not postgres
        else f"1 + floor({groups} * {{0}} * {{0}} * {{0}})::bigint"
    )
    numbers = _numbers(postgres)
    for table, indexes in INDEXES.items():
        yield from (f"drop index {name}" for name in indexes)
        yield f"delete from {table}"
    job = chance.format("(i / 3 + 1)")
    error = (
        """'{"code":"CUDA_OOM","type":"user_error","severity":"low","message":"Not enough memory on the GPU for batch '"""
        """ || (i % 64) || '","retryable":true,"params":{"batch_size":' || (i % 64) || """
        """'},"fixes":[],"errors":[],"doc_url":"/errors/CUDA_OOM","title":"Out of GPU memory"}'"""
    )
    yield (
        "insert into error_occurrences (id, group_id, at, trace_id, user_name, job_id, attempt, entity, error) "
        f"select i, {group.format(job)}, {moment.format('i', rows)}, md5({'i::text' if postgres else 'i'}), "
        f"'user-' || ((i / 3) % {USERS}), 'J-' || (i / 3 + 1), i % 3 + 1, "
        f"case when i % 10 = 0 then 'images/' || (i % 200003) || '.jpg' end, "
        f"{'(' + error + ')::json' if postgres else error} "
        f"from {numbers.format(rows)}"
    )
    yield from _sums(postgres)
    yield from _job_rows(jobs, numbers, moment, group, chance, rows)


def _sums(postgres: bool) -> Iterable[str]:
    """What is counted of the occurrences."""
    for kind, column in (("job", "job_id"), ("user", "user_name")):
        yield _affected(kind, column)
    yield (
        "insert into error_affected (group_id, kind, name, count, first_at, last_at) "
        "select group_id, 'entity', entity, n, a, z from "
        "(select group_id, entity, count(*) as n, min(at) as a, max(at) as z, "
        "row_number() over (partition by group_id order by max(at) desc) as place from error_occurrences "
        "where entity is not null group by group_id, entity) as counted where place <= 1000"
    )
    day, hour = ("date_trunc('day', at at time zone 'utc') at time zone 'utc'", "date_trunc('hour', at)")
    if not postgres:
        day, hour = "substr(at, 1, 10) || ' 00:00:00.000000'", "substr(at, 1, 13) || ':00:00.000000'"
    newest = "timestamptz '2026-11-10 00:00:00+00'" if postgres else "'2026-11-10'"
    for name, span, bucket, wanted in (
        ("''", "day", day, ""),
        ("user_name", "day", day, ""),
        ("''", "hour", hour, f"where at >= {newest}"),
    ):
        yield (
            "insert into error_counts (group_id, user_name, span, bucket, count) "
            f"select group_id, {name}, '{span}', {bucket}, count(*) from error_occurrences {wanted} "
            "group by 1, 2, 3, 4 order by 4"
        )


def _numbers(postgres: bool) -> str:
    if postgres:
        return "generate_series(1::bigint, {}::bigint) as i"
    return "(with recursive n(i) as (select 1 union all select i + 1 from n where i < {}) select i from n)"


def _affected(kind: str, column: str) -> str:
    return (
        "insert into error_affected (group_id, kind, name, count, first_at, last_at) "
        f"select group_id, '{kind}', {column}, count(*), min(at), max(at) from error_occurrences "
        f"group by group_id, {column} order by max(at)"
    )


def _job_rows(jobs: int, numbers: str, moment: str, group: str, chance: str, rows: int) -> Iterable[str]:
    """The newest jobs with an attempt each: half were tried again as the next job, with a smaller batch, which went well."""
    first = max(0, jobs - JOBS)
    at = moment.format(f"((i + {first}) * 3)", rows)
    batch = "case when i % 2 = 0 then 16 else 32 end"
    config = f'\'{{"batch_size":\' || {batch} || \',"epochs":100,"lr0":0.01,"image_size":640}}\''
    fields = "id, number, status, framework, model, dataset_id, config, attempt, last_seq, excluded_agents, retried_as, "
    cast = "::json" if "generate_series" in numbers else ""
    yield (
        f"insert into jobs ({fields}error_group_id, created_by, created_at, updated_at, finished_at) "
        f"select 'J-' || (i + {first}), i + {first}, case when i % 2 = 0 then 'succeeded' else 'failed' end, 'ultralytics', "
        f"'yolo11n', 'd', {'(' + config + ')' + cast}, 1, 0, '[]', "
        f"case when i % 2 = 1 then 'J-' || (i + {first} + 1) end, {group.format(chance.format(f'(i + {first})'))}, "
        f"'user-' || ((i + {first} - 1) % {USERS}), {at}, {at}, {at} from {numbers.format(min(jobs, JOBS))}"
    )
    yield (
        "insert into job_attempts (job_id, number, status, config, last_agent_seq, error_group_id, created_at, finished_at) "
        "select id, 1, status, config, 0, error_group_id, created_at, finished_at from jobs"
    )


def group_rows(rows: int) -> Iterable[tuple[dict[str, Any], list[str]]]:
    """Groups and their words; what they count is filled in from the occurrences."""
    for number in range(1, groups_of(rows) + 1):
        code, causer, line = CODES[number % len(CODES)]
        title = f"{line} {word_of(number)}"
        words = sorted({*title.lower().split(), code.lower(), *code.lower().split("_")})
        row = {"id": number, "fingerprint": fingerprint_of(number), "code": code, "causer": causer, "title": title}
        yield {**row, "state": ("open", "resolved", "ignored", "regressed")[number % 4]}, words


FOUND = (
    "update error_groups set count = c.n, first_seen = c.a, last_seen = c.z from "
    "(select group_id, count(*) as n, min(at) as a, max(at) as z from error_occurrences group by group_id) as c "
    "where c.group_id = error_groups.id"
)
HIT = (
    "update error_groups set {kind}s = c.n from (select group_id, count(*) as n from error_affected where kind = '{kind}' "
    "group by group_id) as c where c.group_id = error_groups.id"
)


def finishing() -> Iterable[str]:
    """What follows the rows: figures of groups, indexes, statistics."""
    yield FOUND
    yield from (HIT.format(kind=kind) for kind in ("job", "user"))
    for table, indexes in INDEXES.items():
        yield from (f"create index {name} on {table} ({columns})" for name, columns in indexes.items())


def fill(rows: int, run: Callable[[str], None], many: Callable[[str, list[Any]], None], *, postgres: bool) -> None:
    """Fills an empty, migrated database."""
    for statement in statements(rows, postgres=postgres):
        run(statement)
    told, words = [], []
    for row, found in group_rows(rows):
        told.append(row)
        words += [(word, row["id"]) for word in found]
    at = "2026-08-26 00:00:00.000000"
    columns = "id, fingerprint, source, code, causer, severity, title, state, state_at, first_seen, last_seen, "
    columns += "count, jobs, users, entities"
    many(
        f"insert into error_groups ({columns}) values (?, ?, 'job', ?, ?, 'low', ?, ?, '{at}', '{at}', '{at}', 0, 0, 0, 0)",
        [tuple(row[key] for key in ("id", "fingerprint", "code", "causer", "title", "state")) for row in told],
    )
    many(
        f"insert into error_fingerprints (fingerprint, group_id, since) values (?, ?, '{at}')",
        [(row["fingerprint"], row["id"]) for row in told],
    )
    many("insert into error_words (word, group_id) values (?, ?)", words)
    for statement in finishing():
        run(statement)


def fill_sqlite(path: Path, rows: int) -> None:
    """Fills the SQLite file at `path`."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.create_function("md5", 1, lambda value: hashlib.md5(str(value).encode(), usedforsecurity=False).hexdigest())
    for pragma in ("journal_mode=off", "synchronous=off", "cache_size=-400000", "temp_store=memory"):
        connection.execute(f"pragma {pragma}")
    connection.execute("begin")
    fill(
        rows,
        lambda text: connection.execute(text).close(),
        lambda text, many: connection.executemany(text, many).close(),
        postgres=False,
    )
    connection.execute("commit")
    connection.execute("pragma journal_mode=wal")
    connection.execute("analyze")
    connection.close()


def fill_postgres(psql: Path, port: int, folder: Path, rows: int) -> None:
    """Fills the database ``postgres`` of the server at `port`."""
    script = folder / "rows.sql"
    with script.open("w", encoding="utf-8") as file:
        file.write("set maintenance_work_mem='1GB'; set work_mem='512MB'; set synchronous_commit=off;\n")

        def many(text: str, values: list[Any]) -> None:
            head, _, tail = text.partition(" values ")
            for start in range(0, len(values), 1000):
                part = [_filled(tail, row) for row in values[start : start + 1000]]
                file.write(f"{head} values {', '.join(part)};\n")

        fill(rows, lambda text: file.write(text + ";\n") and None, many, postgres=True)
        for table in ("error_groups", "error_occurrences"):
            file.write(f"select setval(pg_get_serial_sequence('{table}', 'id'), (select max(id) from {table}));\n")
        file.write("vacuum analyze; checkpoint;\n")
    script.chmod(0o644)
    command = [
        psql,
        "-q",
        "-o",
        "/dev/null",
        "-v",
        "ON_ERROR_STOP=1",
        "-h",
        "127.0.0.1",
        "-p",
        port,
        "-U",
        "postgres",
        "-f",
        script,
        "postgres",
    ]
    subprocess.run([str(part) for part in command], check=True, cwd="/")


def _filled(form: str, row: tuple[Any, ...]) -> str:
    """A row of values written out; they are all ours."""
    for value in row:
        form = form.replace("?", str(value) if isinstance(value, int) else f"'{value}'", 1)
    return form
