"""What must hold of every job after it, whatever was killed: read from the database itself."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import asyncpg

FINAL = ("succeeded", "failed", "cancelled")
TOLD = ("progress", "log", "artifact")


@dataclass
class Verdict:
    """Jobs and attempts that there are; what is doubled, lost or wrong, a line each."""

    jobs: int = 0
    attempts: int = 0
    duplicates: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


async def verdict(url: str, wanted: Sequence[str]) -> Verdict:
    """Judges the jobs with the ids `wanted`, and that there are no others."""
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        found = Verdict()
        rows = {row["id"]: row for row in await connection.fetch("select id, status, code, last_seq, attempt from jobs")}
        found.jobs = len(rows)
        found.lost += [f"{job} is not there" for job in wanted if job not in rows]
        found.duplicates += [f"{job} was submitted by nobody" for job in rows if job not in wanted]
        found.duplicates += [f"{job} was given out {count} times" for job, count in Counter(wanted).items() if count > 1]
        for job, row in rows.items():
            await _job(connection, job, row, found)
        return found
    finally:
        await connection.close()


async def _job(connection: asyncpg.Connection, job: str, row: asyncpg.Record, found: Verdict) -> None:
    events = await connection.fetch("select seq, type, attempt, at, body from job_events where job_id=$1 order by seq", job)
    attempts = await connection.fetch("select number, status from job_attempts where job_id=$1 order by number", job)
    found.attempts += len(attempts)
    if row["status"] not in FINAL:
        found.lost.append(f"{job} has not ended: {row['status']}")
        return
    if row["status"] != "succeeded":
        found.wrong.append(f"{job} {row['status']}: {row['code']} after {len(attempts)} attempts")
    if [event["seq"] for event in events] != list(range(1, row["last_seq"] + 1)):
        found.wrong.append(f"{job}: its events have gaps")
    if [one["number"] for one in attempts] != list(range(1, row["attempt"] + 1)):
        found.wrong.append(f"{job}: its attempts have gaps")
    found.wrong += [f"{job}/{one['number']} is left {one['status']}" for one in attempts if one["status"] not in FINAL]
    ends = [
        body["status"] for body in (_body(event) for event in events if event["type"] == "state") if body["status"] in FINAL
    ]
    if len(ends) != 1:
        found.duplicates.append(f"{job} ended {len(ends)} times: {ends}")
    # A training says nothing twice in the same millisecond: what stands twice was doubled on its way.
    said = Counter((e["type"], e["attempt"], e["at"], str(e["body"])) for e in events if e["type"] in TOLD)
    found.duplicates += [f"{job}: {what[0]} told {count} times" for what, count in said.items() if count > 1]


def _body(event: asyncpg.Record) -> dict[str, str]:
    body = event["body"]
    found: dict[str, str] = json.loads(body) if isinstance(body, str) else body
    return found
