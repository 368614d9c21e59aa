"""What agents tell: updates of attempts, their files, and themselves."""

import random
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.clients.storage import Storage
from app.core.errors import PlatformError
from app.core.logging import get_logger
from app.core.training_metrics import callback_lag_seconds, framework_label
from app.db.models import Agent, Artifact, Attempt, Job
from app.db.repositories import jobs, mlflow_runs
from app.db.session import Database, utcnow
from app.db.states import ATTEMPT_FINAL, ATTEMPT_STATES, JOB_FINAL, JOB_STATES, transition
from app.schemas.wire import AgentReport, Progress, TrainingUpdate
from app.services.evidence import keep_log
from app.services.failure_reports import report_agent
from app.services.safe_batch import remember_batch
from app.services.verdicts import cancel_attempt, end_attempt, fail_attempt
from app.services.views import stamp

logger = get_logger(__name__)
PROGRESS_KEYS = ("epoch", "epochs", "step", "steps", "losses", "lr", "images_per_s", "eta_s", "memory", "disk")


class UpdateService:
    """Takes in what agents send. Every update is stored once, in order; an attempt that has ended stays as it is."""

    def __init__(
        self,
        db: Database,
        storage: Storage,
        ended: Callable[[str], None],
        clock: Callable[[], datetime] = utcnow,
        rng: random.Random | None = None,
        *,
        mlflow: bool = False,
    ) -> None:
        self.db = db
        self.storage = storage
        self.ended = ended
        self.clock = clock
        self.rng = rng or random.Random()  # noqa: S311 - jitter, no secret
        self.mlflow = mlflow
        """Whether MLflow is told of the trainings that begin."""

    async def accept(self, job_id: str, attempt: int, updates: Sequence[TrainingUpdate]) -> dict[str, Any]:
        """Stores `updates` of one attempt and says up to which number they are stored.

        Updates without a number (the design document's form) are taken as the next ones.

        Raises:
            PlatformError: NOT_FOUND, or CONFLICT with `expected_seq` where an update is missing before these.
        """
        now = self.clock()
        updates = await self._with_stored_logs(job_id, attempt, updates)

        async def tx(session: AsyncSession) -> tuple[dict[str, Any], bool]:
            job = await jobs.get_job(session, job_id, lock=True)
            row = await jobs.get_attempt(session, job_id, attempt)
            was_final = row.status in ATTEMPT_FINAL
            accepted = 0
            for update in updates:
                if row.status in ATTEMPT_FINAL:
                    break
                accepted += await self._take(session, job, row, update, now)
            row.heard_at = now
            final = row.status in ATTEMPT_FINAL
            # A sender whose attempt has ended has nothing left to say: all it holds counts as stored.
            last = max(row.last_agent_seq, *(update.seq or 0 for update in updates)) if final else row.last_agent_seq
            return {"accepted": accepted, "last_seq": last, "final": final}, final and not was_final

        answer, ended = await self.db.write(tx)
        if updates and updates[-1].at is not None:
            callback_lag_seconds.observe(max(0.0, (now - updates[-1].at).total_seconds()))
        if ended:
            self.ended(job_id)
        return answer

    async def _with_stored_logs(
        self, job_id: str, attempt: int, updates: Sequence[TrainingUpdate]
    ) -> Sequence[TrainingUpdate]:
        """Puts log tails into the store before the transaction, unless the attempt has had its verdict."""
        if not any(update.evidence for update in updates):
            return updates
        row = await self.db.read(lambda session: jobs.get_attempt(session, job_id, attempt))
        if row.status in ATTEMPT_FINAL:
            return updates
        found = []
        for update in updates:
            if update.evidence:
                marked = await keep_log(self.storage, job_id, attempt, update.evidence)
                found.append(update.model_copy(update={"evidence": marked}))
            else:
                found.append(update)
        return found

    async def _take(self, session: AsyncSession, job: Job, attempt: Attempt, update: TrainingUpdate, now: datetime) -> int:
        seq = attempt.last_agent_seq + 1 if update.seq is None else update.seq
        if seq <= attempt.last_agent_seq:
            return 0
        if seq > attempt.last_agent_seq + 1:
            details = {"expected_seq": attempt.last_agent_seq + 1, "state": f"at {attempt.last_agent_seq}"}
            raise PlatformError.from_code("CONFLICT", details)
        attempt.last_agent_seq = seq
        # A clock that is ahead must not make what comes of this wait: nothing has happened after it was told.
        at = min(update.at or now, now)
        if update.status == "running":
            self._running(session, job, attempt, update, at)
        else:
            await self._ended(session, job, attempt, update, at)
        return 1

    def _running(self, session: AsyncSession, job: Job, attempt: Attempt, update: TrainingUpdate, at: datetime) -> None:
        if attempt.status != "running":
            attempt.status = transition(ATTEMPT_STATES, attempt.status, "running")
            attempt.started_at = attempt.started_at or at
            if job.started_at is None and self.mlflow:
                mlflow_runs.begin(session, job)
            job.started_at = job.started_at or at
            if job.status == "starting":
                job.status = transition(JOB_STATES, job.status, "running")
                jobs.append_event(session, job, "state", at, {"status": "running"})
        progress = dict(job.progress or {})
        if update.phase is not None:
            progress["phase"] = update.phase
            jobs.append_event(session, job, "progress", at, {"phase": update.phase})
        elif update.progress is not None:
            progress |= _progress(session, job, attempt, update.progress, at)
        elif update.log is not None:
            jobs.append_event(session, job, "log", at, update.log.model_dump())
        elif update.artifact is not None:
            jobs.append_event(session, job, "artifact", at, update.artifact.model_dump())
        progress["at"] = stamp(at)
        job.progress = progress
        job.updated_at = at

    async def _ended(self, session: AsyncSession, job: Job, attempt: Attempt, update: TrainingUpdate, at: datetime) -> None:
        attempt.started_at = attempt.started_at or at
        if update.status == "succeeded":
            attempt.status = transition(ATTEMPT_STATES, attempt.status, "succeeded")
            attempt.finished_at = at
            await end_attempt(session, job, attempt, update.result, at)
            await remember_batch(session, job, attempt, at)
        elif update.status == "cancelled" or job.status == "cancelling":
            await cancel_attempt(session, job, attempt, update.evidence, at)
        else:
            evidence = dict(update.evidence or {})
            if update.error is not None:
                evidence["error"] = update.error.model_dump()
            await fail_attempt(session, job, attempt, evidence, at, self.rng)

    async def register_agent(self, agent_id: str, report: AgentReport) -> dict[str, Any]:
        """Notes that an agent lives, what it offers and which attempts it holds; answers which of those it must let go."""
        now = self.clock()
        for offered in report.frameworks:
            framework_label(str(offered.get("framework")))
        for problem in report.problems:
            report_agent(agent_id, problem)

        async def tx(session: AsyncSession) -> list[dict[str, Any]]:
            agent = await session.get(Agent, agent_id)
            if agent is None:
                agent = Agent(id=agent_id, registered_at=now)
                session.add(agent)
                logger.info("agent registered", agent_id=agent_id, url=report.url)
            for field in ("name", "url", "slots", "frameworks", "resources", "version"):
                value = getattr(report, field)
                if getattr(agent, field, None) != value:
                    setattr(agent, field, value)
            agent.last_seen_at = now
            release = []
            for held in report.attempts:
                attempt = await session.get(Attempt, (held.job_id, held.attempt))
                if attempt is None or attempt.status in ATTEMPT_FINAL or attempt.agent_id not in (None, agent_id):
                    release.append({"job_id": held.job_id, "attempt": held.attempt})
                    continue
                attempt.heard_at = now
                attempt.last_step_at = held.last_step_at or attempt.last_step_at
            return release

        return {"release": await self.db.write(tx)}

    async def note_artifact(self, job_id: str, attempt: int, note: dict[str, Any]) -> None:
        """Records a file that was stored.

        Raises:
            PlatformError: NOT_FOUND; CONFLICT where the attempt has ended.
        """
        now = self.clock()

        async def tx(session: AsyncSession) -> None:
            job = await jobs.get_job(session, job_id)
            row = await jobs.get_attempt(session, job_id, attempt)
            if row.status in ATTEMPT_FINAL or job.status in JOB_FINAL:
                raise PlatformError.from_code("CONFLICT", {"state": row.status, "wanted": "artifact"})
            await session.merge(Artifact(job_id=job_id, attempt=attempt, created_at=now, **note))
            if note["role"] == "checkpoint":
                row.checkpoint = {key: note[key] for key in ("name", "epoch", "sha256")}

        await self.db.write(tx)


def _progress(session: AsyncSession, job: Job, attempt: Attempt, told: Progress, at: datetime) -> dict[str, Any]:
    body = told.model_dump(exclude_none=True)
    epoch = told.epoch if told.epoch_end else None
    if epoch is not None:
        attempt.epoch = max(epoch, attempt.epoch or 0)
    attempt.last_step_at = at
    jobs.append_event(session, job, "progress", at, body, epoch=epoch)
    shown = {key: body[key] for key in PROGRESS_KEYS if key in body}
    return shown | ({"metrics": body["metrics"]} if body["metrics"] else {})
