"""What the error tracking costs, however much is stored: lists, one group, search, and writing.

    python benchmarks/bench_tracking.py                                      10⁴ and 10⁵ occurrences, in a minute
    python benchmarks/bench_tracking.py --database postgresql --rows 10000000 --against 100000   the full size, in minutes
    python benchmarks/bench_tracking.py --database sqlite --rows 1000000 --against 100000

Goals: list, one group and search under 50 ms at the 95th percentile, over HTTP without the network; the median grows less
than 2× from the smaller size to the larger; at least 2,000 occurrences a second are written; a storm of one kind leaves as
many rows as are kept in an hour, and is counted to the last.
PostgreSQL is started with a cluster of its own and its defaults, but without fsync.
"""

import argparse
import asyncio
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import httpx
from sqlalchemy import func, select, text
from tracking_rows import DAYS, USERS, failed_job, fill_postgres, fill_sqlite, fingerprint_of, groups_of, word_of

from app.api.deps import Platform
from app.config import Settings
from app.core import logging
from app.db.repositories.errors import Seen
from app.db.session import Database
from app.db.tracking import ErrorGroup, ErrorOccurrence
from app.main import create_app
from app.services.storms import Storms

NOW = datetime(2026, 11, 23, 23, 30, tzinfo=UTC)
TOKEN, USER_TOKEN = "token-of-the-benchmark", "token-of-user-7-of-the-benchmark"
GOAL_MS, GOAL_GROWTH, GOAL_WRITES = 50.0, 2.0, 2000.0
GROUPS = "/api/v1/errors/groups"
WARM = 15
"""Questions before those that are measured: of a service that runs, what is asked often is in memory."""
Ask = Callable[[random.Random], tuple[str, dict[str, Any]]]


def questions(rows: int, own: list[int]) -> dict[str, Ask]:
    """What is asked, by name; the frequent groups more often, as people do. `own` are groups of the one user."""
    groups = groups_of(rows)

    def hot(rng: random.Random) -> int:
        return 1 + int(groups * rng.random() ** 3)

    def any_row(rng: random.Random) -> int:
        return rng.randint(1, rows)

    codes = ("CUDA_OOM", "DISK_FULL", "TRAINER_LOST")
    return {
        "list": lambda _: (GROUPS, {}),
        "list, next page": lambda rng: (GROUPS, {"limit": rng.choice((20, 50, 100)), "sort": "count"}),
        "list, open ones": lambda _: (GROUPS, {"state": ["open", "regressed"]}),
        "list, by code": lambda rng: (GROUPS, {"code": rng.choice(codes)}),
        "list, by whose fault": lambda _: (GROUPS, {"causer": "hardware", "source": "job"}),
        "list of one user": lambda _: (GROUPS, {"user": True}),
        "one group": lambda rng: (f"{GROUPS}/{hot(rng)}", {}),
        "one group of one user": lambda rng: (f"{GROUPS}/{rng.choice(own)}", {"user": True}),
        "its occurrences": lambda rng: (f"{GROUPS}/{hot(rng)}/occurrences", {}),
        "search, frequent word": lambda rng: (GROUPS, {"q": rng.choice(("memory", "heartbeat", "bucket", "loss"))}),
        "search, rare word": lambda rng: (GROUPS, {"q": word_of(rng.randint(1, groups))}),
        "search, two words": lambda rng: (GROUPS, {"q": f"memory {word_of(rng.randint(1, groups) // 6 * 6)[:4]}"}),
        "search, no hit": lambda rng: (GROUPS, {"q": f"memory zz{rng.randint(0, 999)}"}),
        "search, fingerprint": lambda rng: (GROUPS, {"q": fingerprint_of(hot(rng))}),
        "search, entity": lambda rng: (GROUPS, {"entity": f"images/{rng.randint(1, 20_000) * 10 % 200_003}.jpg"}),
        "search, job": lambda rng: (GROUPS, {"q": f"J-{any_row(rng) // 3 + 1}"}),
        "search, trace id": lambda rng: (GROUPS, {"q": _trace(any_row(rng))}),
        "search, time": lambda rng: (GROUPS, _window(rng)),
        "failures like a job's": lambda rng: (f"/api/v1/training-jobs/J-{failed_job(rows, rng)}/similar", {}),
    }


def _trace(number: int) -> str:
    import hashlib

    return hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest()


def _window(rng: random.Random) -> dict[str, Any]:
    day = rng.randint(5, DAYS - 2)
    at = datetime.fromtimestamp(1_787_702_400 + day * 86400, UTC)
    return {"since": at.isoformat(), "until": datetime.fromtimestamp(at.timestamp() + 3600, UTC).isoformat()}


def settings_of(url: str, home: Path) -> Settings:
    """A backend on the filled database, with one user beside the owner."""
    people = {"user-7": {"token": USER_TOKEN, "role": "user"}}
    values: dict[str, Any] = {"home": home, "database_url": url, "token": TOKEN, "agent_secret": "agents", "tokens": people}
    return Settings(**values, rate_limit="100000000/minute")


async def ask_all(url: str, home: Path, rows: int, times: int) -> dict[str, tuple[float, float]]:
    """Median and 95th percentile in milliseconds of each question."""
    app = create_app(settings_of(url, home), lambda: NOW)
    rng, found = random.Random(7), {}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://bench.test") as client:
        mine = await client.get(GROUPS, params={"sort": "count"}, headers={"Authorization": f"Bearer {USER_TOKEN}"})
        own = [group["group_id"] for group in mine.json()["items"][:5]]
        for name, ask in questions(rows, own).items():
            taken = []
            for number in range(times + WARM):
                path, params = ask(rng)
                token = USER_TOKEN if params.pop("user", False) else TOKEN
                began = time.perf_counter()
                answer = await client.get(path, params=params, headers={"Authorization": f"Bearer {token}"})
                if number >= WARM:
                    taken.append((time.perf_counter() - began) * 1000)
                if answer.status_code != 200:
                    message = f"{name}: {answer.status_code} {answer.text[:300]}"
                    raise RuntimeError(message)
            taken.sort()
            found[name] = (statistics.median(taken), taken[int(len(taken) * 0.95)])
    await app.state.platform.db.close()
    return found


async def write(url: str, home: Path, number: int) -> dict[str, float]:
    """Occurrences a second that are noted and written, of many kinds and in a storm of one."""
    app = create_app(settings_of(url, home), lambda: NOW)
    platform: Platform = app.state.platform
    rng = random.Random(11)
    many = [_seen(rng, rng.randrange(number // 20)) for _ in range(number)]
    platform.occurrences.pending.storms = Storms(1_000_000)
    seconds = await _timed(platform, many)
    kept = platform.occurrences.pending.storms = Storms(100)
    before = await platform.db.read(lambda session: session.scalar(select(func.count()).select_from(ErrorOccurrence))) or 0
    storm = [_seen(rng, -1)] * (number * 10)
    storm_seconds = await _timed(platform, storm)
    rows = (
        await platform.db.read(lambda session: session.scalar(select(func.count()).select_from(ErrorOccurrence))) or 0
    ) - before
    counted = await platform.db.read(
        lambda session: session.scalar(select(ErrorGroup.count).where(ErrorGroup.fingerprint == storm[0].fingerprint))
    )
    await platform.db.close()
    if counted != len(storm) or rows != kept.an_hour:
        message = f"a storm of {len(storm)} was counted as {counted} and left {rows} rows"
        raise RuntimeError(message)
    return {
        "many kinds": number / seconds,
        "a storm of one kind": len(storm) / storm_seconds,
        "rows that the storm left": rows,
    }


async def _timed(platform: Platform, many: list[Seen]) -> float:
    began = time.perf_counter()
    for start in range(0, len(many), 10_000):
        for seen in many[start : start + 10_000]:
            platform.occurrences.add(seen)
        await platform.occurrences.flush()
    return time.perf_counter() - began


def _seen(rng: random.Random, kind: int) -> Seen:
    error = {"code": "CUDA_OOM", "message": "Not enough memory on the GPU", "params": {"batch_size": 32}, "fixes": []}
    return Seen(
        fingerprint=f"v1:{kind & 0xFFFFFFFFFFFFFFFF:016x}", source="api", code="CUDA_OOM", title="CUDA out of memory",
        at=NOW,
        error=error, trace_id=f"{rng.getrandbits(128):032x}", user_name=f"user-{rng.randrange(USERS)}",
        job_id=f"K-{rng.randrange(1000)}", entity=f"batch {rng.randrange(50)}",
    )  # fmt: skip


@contextmanager
def filled(kind: str, rows: int) -> Iterator[tuple[str, Path]]:
    """The address of a filled database that is gone afterwards, and a folder."""
    home = Path(tempfile.mkdtemp(prefix="vtp-bench-"))
    server = None
    try:
        if kind == "postgresql":
            from tests.core.servers import Postgres

            server = Postgres()
            url = server.url
        else:
            url = f"sqlite+aiosqlite:///{home / 'vtp.db'}"
        asyncio.run(_migrated(url))
        began = time.perf_counter()
        if server is not None:
            home.chmod(0o755)
            fill_postgres(server.bin / "psql", server.port, home, rows)
        else:
            fill_sqlite(home / "vtp.db", rows)
        print(f"  {rows:,} occurrences, {groups_of(rows):,} groups in {time.perf_counter() - began:.0f} s", flush=True)
        yield url, home
    finally:
        if server is not None:
            server.close()
        shutil.rmtree(home, ignore_errors=True)


async def _migrated(url: str) -> None:
    database = Database(url)
    await database.migrate()
    await database.close()


def measure(kind: str, rows: int, times: int) -> tuple[dict[str, tuple[float, float]], dict[str, float], float]:
    """Times of the questions, rates of writing, bytes of the database."""
    with filled(kind, rows) as (url, home):
        asked = asyncio.run(ask_all(url, home, rows, times))
        size = asyncio.run(_size(url, home))
        return asked, asyncio.run(write(url, home, 20_000)), size


async def _size(url: str, home: Path) -> float:
    if url.startswith("sqlite"):
        return float((home / "vtp.db").stat().st_size)
    database = Database(url)
    found = await database.read(lambda session: session.scalar(text("select pg_database_size(current_database())")))
    await database.close()
    return float(found or 0)


def report(kind: str, small: int, large: int, times: int) -> bool:
    """Prints one table; whether all goals were met."""
    print(f"\n{kind}, {os.cpu_count()} cores, {times} questions each", flush=True)
    before, _, _ = measure(kind, small, times)
    after, rates, size = measure(kind, large, times)
    print(f"  {size / 1e9:.2f} GB at {large:,}\n")
    print(f"  {'milliseconds':26}{f'{small:.0e}':>10}{'p95':>8}{f'{large:.0e}':>10}{'p95':>8}{'grows':>8}")
    fine = True
    for name, (median, p95) in after.items():
        growth = median / before[name][0]
        good = p95 < GOAL_MS and growth < GOAL_GROWTH
        fine &= good
        row = f"  {name:26}{before[name][0]:>10.1f}{before[name][1]:>8.1f}{median:>10.1f}{p95:>8.1f}{growth:>7.2f}×"
        print(row + ("" if good else "  missed"))
    print("\n  written a second, at the larger size")
    for name, rate in rates.items():
        print(f"  {name:26}{rate:>12,.0f}")
    return fine and rates["many kinds"] >= GOAL_WRITES


def main() -> int:
    """Measures, prints, tells by the exit code whether the goals were met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--against", type=int, default=10_000, help="smaller size to compare with")
    parser.add_argument("--times", type=int, default=60, help="how often each question is asked")
    options = parser.parse_args()
    logging.configure(level="ERROR")
    kinds = ("sqlite", "postgresql") if options.database == "both" else (options.database,)
    if "postgresql" in kinds and not any(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        print("PostgreSQL is not installed (Debian: postgresql); left out")
        kinds = tuple(kind for kind in kinds if kind == "sqlite")
    fine = [report(kind, options.against, options.rows, options.times) for kind in kinds]
    print("\nall goals met" if fine and all(fine) else "\na goal was missed")
    return 0 if all(fine) else 1


if __name__ == "__main__":
    sys.exit(main())
