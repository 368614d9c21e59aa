"""Everything about a failed job that somebody else needs to help: one zip, freed of secrets, shown before it is sent."""

import io
import platform as machine
import sys
import zipfile
from collections.abc import Callable
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import __version__
from app.clients.storage import Storage
from app.core.errors import PlatformError
from app.core.logging import get_logger
from app.core.redact import HIDDEN, redact, redact_text
from app.db.models import Agent, Attempt, Job, JobEvent
from app.db.repositories import jobs
from app.db.session import Database, utcnow
from app.services.callers import Caller
from app.services.error_groups import ErrorGroups
from app.services.evidence import whole_evidence
from app.services.support_summary import summary_of
from app.services.views import agent_view, attempt_view, job_view, stamp

logger = get_logger(__name__)
LOG_CHARACTERS = 256 * 1024
TIMELINE_EVENTS = 500
TOLD = ("state", "error", "artifact")
"""Kinds of events that make the timeline; progress and log are left out."""


class SupportBundles:
    """Makes support bundles."""

    def __init__(self, db: Database, storage: Storage, groups: ErrorGroups, clock: Callable[[], datetime] = utcnow) -> None:
        self.db = db
        self.storage = storage
        self.groups = groups
        self.clock = clock

    async def preview(self, job_id: str, caller: Caller) -> dict[str, Any]:
        """What the bundle of a job would hold, file by file.

        Raises:
            PlatformError: NOT_FOUND; CONFLICT where nothing of the job has failed.
        """
        files = await self.files(job_id, caller)
        return {
            "job_id": job_id,
            "filename": filename(job_id),
            "summary": files["summary.md"],
            "files": [{"name": name, "bytes": len(text.encode()), "text": text} for name, text in files.items()],
            "redactions": sum(text.count(HIDDEN) for text in files.values()),
        }

    async def bundle(self, job_id: str, caller: Caller) -> bytes:
        """The zip; its files are those of the preview.

        Raises:
            PlatformError: NOT_FOUND; CONFLICT where nothing of the job has failed.
        """
        files, buffer = await self.files(job_id, caller), io.BytesIO()
        at = self.clock().timetuple()[:6]
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in files.items():
                archive.writestr(zipfile.ZipInfo(f"vtp-{job_id}/{name}", at), text, zipfile.ZIP_DEFLATED)
        return buffer.getvalue()

    async def files(self, job_id: str, caller: Caller) -> dict[str, str]:
        """The files of a bundle by name, in the order in which they are read."""

        async def look(session: AsyncSession) -> tuple[Job, list[Attempt], list[JobEvent], list[Agent]]:
            job = await jobs.get_job(session, job_id)
            attempts = list(await jobs.attempts_of(session, job_id))
            told = select(JobEvent).where(JobEvent.job_id == job_id, JobEvent.type.in_(TOLD)).order_by(JobEvent.seq.desc())
            events = list(reversed((await session.scalars(told.limit(TIMELINE_EVENTS))).all()))
            used = {attempt.agent_id for attempt in attempts if attempt.agent_id}
            return job, attempts, events, list(await session.scalars(select(Agent).where(Agent.id.in_(used))))

        job, attempts, events, agents = await self.db.read(look)
        failed = [attempt for attempt in attempts if attempt.status == "failed"]
        if job.error is None and not failed:
            raise PlatformError.from_code("CONFLICT", {"state": job.status, "wanted": "failure to tell of"})
        evidence, log = await self._evidence(failed[-1] if failed else None)
        parts = {"evidence": redact(evidence), **_parts(job, attempts, events, agents)}
        similar = redact(await self.groups.similar(job_id, caller))
        log = redact_text(log)
        return {
            "summary.md": summary_of(parts, similar, log, stamp(self.clock()) or ""),
            "evidence.json": _json(parts["evidence"]),
            "configuration.json": _json(parts["configuration"]),
            "versions.json": _json(parts["versions"]),
            "log-tail.txt": log,
            "timeline.json": _json(parts["timeline"]),
            "attempts.json": _json(parts["attempts"]),
            "job.json": _json(parts["job"]),
        }

    async def _evidence(self, attempt: Attempt | None) -> tuple[dict[str, Any], str]:
        """The evidence of the last failure without its log, and the log's end."""
        if attempt is None:
            return {}, ""
        try:
            evidence = await whole_evidence(self.storage, attempt)
        except PlatformError as error:
            logger.warning("stored log not readable", job_id=attempt.job_id, attempt=attempt.number, code=error.code)
            evidence = {**(attempt.evidence or {}), "log_missing": error.code}
        log = evidence.pop("log", None)
        return evidence, (log if isinstance(log, str) else "")[-LOG_CHARACTERS:]


def _parts(job: Job, attempts: list[Attempt], events: list[JobEvent], agents: list[Agent]) -> dict[str, Any]:
    """What the rows tell, freed of secrets."""
    parts: dict[str, Any] = redact(
        {
            "job": job_view(job),
            "attempts": [attempt_view(attempt) for attempt in attempts],
            "configuration": {
                "asked_for": job.config,
                "attempts": {str(attempt.number): attempt.config for attempt in attempts},
            },
            "versions": _versions(agents),
            "timeline": [
                {"seq": event.seq, "at": stamp(event.at), "attempt": event.attempt, "type": event.type, **event.body}
                for event in events
            ],
        }
    )
    return parts


def filename(job_id: str) -> str:
    """What the zip is called."""
    return f"vtp-{job_id}-support.zip"


def _json(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n"


def _versions(agents: list[Agent]) -> dict[str, Any]:
    return {
        "vtp": __version__,
        "python": sys.version.split()[0],
        "system": f"{machine.system()} {machine.release()} {machine.machine()}",
        "agents": [
            {key: value for key, value in agent_view(agent, 0, alive=True).items() if key not in ("url", "busy", "alive")}
            for agent in agents
        ],
    }
