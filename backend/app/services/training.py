"""Jobs as a user handles them: submit, look, cancel, try again."""

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import Settings
from app.core.errors import FieldError, PlatformError
from app.core.tracing import current_traceparent
from app.db.models import Idempotency, Job, Weights
from app.db.repositories import agents, jobs
from app.db.session import Database, utcnow
from app.db.states import JOB_ACTIVE, JOB_FINAL, JOB_STATES, transition
from app.schemas.training import RetryRequest, TrainingConfig
from app.services.callers import caller_name
from app.services.config_check import check_config, effective_config, task_error
from app.services.datasets import DatasetService
from app.services.going_on import checkpoint_of, fits
from app.services.retry_config import asked_config
from app.services.verdicts import cancel_job, fail_job
from app.services.views import error_again

IDEMPOTENCY_HOURS = 24


class TrainingService:
    """Submitting and steering jobs; carrying them out is the orchestrator's work (`app.workflows`)."""

    def __init__(
        self, db: Database, datasets: DatasetService, settings: Settings, clock: Callable[[], datetime] = utcnow
    ) -> None:
        self.db = db
        self.datasets = datasets
        self.settings = settings
        self.clock = clock

    async def create(
        self,
        config: TrainingConfig,
        idempotency_key: str | None = None,
        *,
        retry_of: str | None = None,
        request_hash: str | None = None,
        go_on: bool = False,
    ) -> str:
        """Stores a new job and returns its id; the same key with the same body returns the first job again.

        `retry_of` is the job that it tries again; the two name each other, and with `go_on` it begins with the checkpoint of
        that one where it can. `request_hash` stands for what was asked for with
        the key where that is not `config`.

        Raises:
            PlatformError: INVALID_MODEL, INVALID_CONFIG, QUOTA_EXCEEDED, VALIDATION_FAILED for a key used with another
                body.
        """
        now = self.clock()
        asked = request_hash or _digest(config.model_dump(mode="json"))

        async def store(session: AsyncSession) -> str:
            known = await agents.frameworks(session)
            errors = [*check_config(config, known), *await self._weights_errors(session, config)]
            if errors:
                raise errors[0] if len(errors) == 1 else _all_in_one(errors)
            job = await self._new_job(session, config, known, now)
            if retry_of is not None:
                before = await jobs.get_job(session, retry_of, lock=True)
                before.retried_as, job.retry_of = job.id, retry_of
                if go_on and fits(before.config, job.config):
                    job.begins_with = await checkpoint_of(session, before)
            if idempotency_key is not None:
                session.add(Idempotency(key=idempotency_key, request_hash=asked, job_id=job.id, created_at=now))
            return job.id

        async def once(session: AsyncSession) -> str:
            return await _repeated(session, idempotency_key, asked, now) or await store(session)

        return await self.db.write(once)

    async def _new_job(
        self, session: AsyncSession, config: TrainingConfig, known: dict[str, dict[str, Any]], now: datetime
    ) -> Job:
        open_jobs = len(await jobs.active_jobs(session))
        if open_jobs >= self.settings.max_open_jobs:
            details = {"resource": "open jobs", "limit": self.settings.max_open_jobs, "current": open_jobs}
            raise PlatformError.from_code("QUOTA_EXCEEDED", details)
        values, task = effective_config(config, known)
        number = await jobs.next_number(session, "job")
        job = Job(
            id=f"J-{number}",
            number=number,
            name=config.name,
            status="queued",
            framework=config.framework,
            model=config.model,
            task=task,
            dataset_id=config.dataset_id,
            config=values,
            attempt=0,
            last_seq=0,
            traceparent=current_traceparent(),
            created_by=caller_name(),
            created_at=now,
            updated_at=now,
        )
        session.add(job)
        jobs.append_event(session, job, "state", now, {"status": "queued"})
        await session.flush()
        return job

    @staticmethod
    async def _weights_errors(session: AsyncSession, config: TrainingConfig) -> list[PlatformError]:
        if config.weights_id is None or await session.get(Weights, config.weights_id) is not None:
            return []
        error = FieldError("#/weights_id", "unknown_weights", f"no uploaded weights called `{config.weights_id}`")
        details = {"resource_type": "weights", "resource_id": config.weights_id}
        return [PlatformError.from_code("NOT_FOUND", details, errors=[error])]

    async def problems(self, config: TrainingConfig) -> list[PlatformError]:
        """Everything that would stop this training, found without starting it."""

        async def look(session: AsyncSession) -> tuple[list[PlatformError], dict[str, dict[str, Any]]]:
            known = await agents.frameworks(session)
            return [*check_config(config, known), *await self._weights_errors(session, config)], known

        errors, known = await self.db.read(look)
        values, task = effective_config(config, known)
        return errors + await self.data_problems(values, task, known)

    async def data_problems(
        self, values: dict[str, Any], task: str | None, known: dict[str, dict[str, Any]]
    ) -> list[PlatformError]:
        """What is wrong between a configuration and its data set."""
        errors = await self.datasets.check_for_training(values["dataset_id"], values)
        if any(error.code == "DATASET_NOT_FOUND" for error in errors):
            return errors
        dataset = await self.datasets.get(values["dataset_id"])
        mismatch = task_error(values, task, dataset.task, known)
        return [*errors, mismatch] if mismatch else errors

    async def cancel(self, job_id: str) -> None:
        """Stops a job: at once where no agent holds it, else the orchestrator asks the agent. Cancelling twice is fine.

        Raises:
            PlatformError: NOT_FOUND, or CONFLICT where the job has succeeded or failed.
        """
        now = self.clock()

        async def tx(session: AsyncSession) -> None:
            job = await jobs.get_job(session, job_id, lock=True)
            if job.status in ("cancelling", "cancelled"):
                return
            if job.status in ("queued", "waiting"):
                await cancel_job(session, job, now)
                return
            job.status = transition(JOB_STATES, job.status, "cancelling")
            job.updated_at = now
            jobs.append_event(session, job, "state", now, {"status": job.status})

        await self.db.write(tx)

    async def retry(self, job_id: str, request: RetryRequest, idempotency_key: str | None = None) -> str:
        """Submits a failed or cancelled job again, with a fix applied where one is named; returns the new job's id.

        The same key with the same job and request returns the first new job again, also where the fix is offered no more.

        Raises:
            PlatformError: NOT_FOUND, CONFLICT where the job has not ended or succeeded, VALIDATION_FAILED for an unknown
                fix or a patch that does not fit, and what `create` raises.
        """
        asked, now = _digest({"retry_of": job_id, **request.model_dump(mode="json")}), self.clock()

        async def look(session: AsyncSession) -> tuple[Job, str | None]:
            return await jobs.get_job(session, job_id), await _repeated(session, idempotency_key, asked, now)

        job, earlier = await self.db.write(look)
        if earlier is not None:
            return earlier
        if job.status not in JOB_FINAL or job.status == "succeeded":
            raise PlatformError.from_code("CONFLICT", {"state": job.status, "wanted": "retry"})
        config = asked_config(job, request)
        go_on = not request.from_scratch
        return await self.create(config, idempotency_key, retry_of=job_id, request_hash=asked, go_on=go_on)

    async def run_now(self, job_id: str) -> None:
        """Ends the wait before the next attempt.

        Raises:
            PlatformError: NOT_FOUND, or CONFLICT where the job is not waiting.
        """
        now = self.clock()

        async def tx(session: AsyncSession) -> None:
            job = await jobs.get_job(session, job_id, lock=True)
            if job.status != "waiting":
                raise PlatformError.from_code("CONFLICT", {"state": job.status, "wanted": "run now"})
            job.retry_at = now

        await self.db.write(tx)

    async def stop_retrying(self, job_id: str) -> None:
        """Ends a job that waits for its next attempt, as failed with the last attempt's error.

        Raises:
            PlatformError: NOT_FOUND, or CONFLICT where the job is not waiting.
        """
        now = self.clock()

        async def tx(session: AsyncSession) -> None:
            job = await jobs.get_job(session, job_id, lock=True)
            if job.status != "waiting":
                raise PlatformError.from_code("CONFLICT", {"state": job.status, "wanted": "stop retrying"})
            last = await jobs.get_attempt(session, job_id, job.attempt)
            await fail_job(session, job, error_again(last.error or {}), now)

        await self.db.write(tx)

    async def open_count(self) -> int:
        """Number of jobs that have not ended."""
        return len(await self.db.read(lambda session: jobs.active_jobs(session, *JOB_ACTIVE)))


def _digest(asked: dict[str, Any]) -> str:
    return hashlib.sha256(orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)).hexdigest()


async def _repeated(session: AsyncSession, key: str | None, request_hash: str, now: datetime) -> str | None:
    """The job that an earlier request with this key made; None where there was none."""
    earlier = await jobs.remembered(session, key, now - timedelta(hours=IDEMPOTENCY_HOURS)) if key is not None else None
    if earlier is None or earlier.request_hash == request_hash:
        return earlier.job_id if earlier else None
    message = "was used with another body; use a new key for a new training"
    error = FieldError("#/Idempotency-Key", "idempotency_key_reused", message)
    raise PlatformError.from_code(
        "INVALID_CONFIG", {"details": f"Idempotency-Key {message}", "field": "Idempotency-Key"}, errors=[error]
    )


def _all_in_one(errors: list[PlatformError]) -> PlatformError:
    """Several refusals as one answer: the first one's code, every field error, every fix."""
    first = errors[0]
    return PlatformError.from_code(
        first.code,
        first.context,
        errors=[field for error in errors for field in error.errors],
        fixes=[fix for error in errors for fix in error.fixes],
    )
