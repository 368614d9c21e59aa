"""Hands jobs to agents: preflight, choice of an agent, the attempt's row, the call."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.clients.trainer import TrainerClient
from app.core.errors import PlatformError
from app.core.foreign import said
from app.core.logging import get_logger
from app.core.spans import continue_trace, span
from app.core.timing import deadline
from app.core.tracing import current_traceparent
from app.db.models import Agent, Attempt, Job
from app.db.repositories import agents, jobs
from app.db.session import Database
from app.db.states import ATTEMPT_FINAL, ATTEMPT_STATES, JOB_STATES, transition
from app.services.cluster import Cluster
from app.services.datasets import DatasetService
from app.services.going_on import beginning
from app.services.tokens import AttemptTokens
from app.services.training import TrainingService
from app.services.training_counts import count_start
from app.services.verdicts import fail_attempt, fail_job
from app.workflows.lifecycle import Choice, allot, choose_agent

logger = get_logger(__name__)
HAND_OVER_SECONDS = 14.0
"""For all tries of a call to an agent: less than a caller waits who submits a job, so that 503 comes as an answer."""


def tell_waiting(session: AsyncSession, job: Job, reason: str, now: datetime) -> None:
    """Says what a queued job waits for, where it does not say so already."""
    if (job.progress or {}).get("waiting_for") != reason:
        job.progress = {**(job.progress or {}), "phase": "queued", "waiting_for": reason}
        jobs.append_event(session, job, "state", now, {"status": "queued", "reason": reason})


def claim_of(job_id: str) -> str:
    """What the claim on handing a job over is called."""
    return f"dispatch {job_id}"


async def _to_hand_over(session: AsyncSession, job_id: str) -> bool:
    """Whether a job still has to be given to an agent."""
    job = await jobs.get_job(session, job_id)
    return job.status == "queued" or (
        job.status == "starting" and (await jobs.get_attempt(session, job_id, job.attempt)).status == "created"
    )


@dataclass(frozen=True, slots=True)
class Dispatcher:
    """What a dispatch needs; `alive_for` is how long an agent counts as alive after its last heartbeat.

    `stuck` are ids of jobs whose last dispatch broke off: no slot is kept for them before they have got further.
    """

    db: Database
    trainer: TrainerClient
    training: TrainingService
    datasets: DatasetService
    tokens: AttemptTokens
    public_url: Callable[[], str]
    alive_for: timedelta
    clock: Callable[[], datetime]
    rng: random.Random
    cluster: Cluster | None = None
    """Where several backends share the work: only one hands a job over."""
    stuck: set[str] = field(default_factory=set)

    async def dispatch(self, job_id: str) -> PlatformError | None:
        """Starts a queued job's next attempt where an agent is free; what kept it from that, None where nothing did.

        A job that waits for a free agent is fine and gives None, and so is one that another backend is handing over.
        """
        if self.cluster is None or self.cluster.alone:
            return await self._claimed(job_id)
        if not await self.db.read(lambda session: _to_hand_over(session, job_id)):
            return None
        async with self.cluster.claim(claim_of(job_id)) as mine:
            return await self._claimed(job_id) if mine else None

    async def _claimed(self, job_id: str) -> PlatformError | None:
        job = await self.db.read(lambda session: jobs.get_job(session, job_id))
        continue_trace(job.traceparent)
        with span("dispatch", vtp_job=job_id):
            return await self._dispatch(job)

    async def _dispatch(self, job: Job) -> PlatformError | None:
        if job.status == "queued" and job.attempt == 0:
            refused = await self._preflight(job)
            if refused is not None:
                return refused
        placed = await self._place(job.id)
        if placed is None or isinstance(placed, PlatformError):
            return placed
        return await self._hand_over(job.id, placed)

    async def _preflight(self, job: Job) -> PlatformError | None:
        known = await self.db.read(agents.frameworks)
        problems = await self.training.data_problems(job.config, job.task, known)
        if not problems:
            return None

        async def refuse(session: AsyncSession) -> None:
            row = await jobs.get_job(session, job.id, lock=True)
            if row.status == "queued":
                await fail_job(session, row, problems[0], self.clock())

        await self.db.write(refuse)
        return problems[0]

    async def _place(self, job_id: str) -> Agent | PlatformError | None:
        """Chooses an agent and records the attempt; None where the job has to wait or is past this."""
        now = self.clock()

        async def tx(session: AsyncSession) -> Agent | PlatformError | None:
            job = await jobs.get_job(session, job_id, lock=True)
            if job.status == "starting":
                attempt = await jobs.get_attempt(session, job_id, job.attempt)
                return await session.get(Agent, attempt.agent_id) if attempt.status == "created" else None
            if job.status != "queued":
                return None
            choice = await self._choose(session, job, now - self.alive_for)
            if choice.agent is None:
                tell_waiting(session, job, choice.reason, now)
                return None if choice.reachable else PlatformError.from_code("TRAINER_UNREACHABLE")
            await self._record(session, job, choice.agent, now)
            return choice.agent

        return await self.db.write(tx)

    async def _choose(self, session: AsyncSession, job: Job, alive_since: datetime) -> Choice:
        """The agent for a queued job, first come first served.

        Dispatches run beside each other and take differently long to get here, so a slot that an earlier job could use is
        left to it, whichever of them comes first.
        """
        everyone = await agents.all_agents(session)
        choice = choose_agent(job, everyone, await agents.busy_slots(session), alive_since)
        if choice.agent is None:
            return choice
        earlier = [row for row in await jobs.startable(session, before=job.number) if row.id not in self.stuck]
        # Slots are counted after the queue was read: a job that is placed in between counts twice rather than not at all.
        busy = await agents.busy_slots(session)
        return allot([*earlier, job], everyone, busy, alive_since)[job.id]

    async def _record(self, session: AsyncSession, job: Job, agent: Agent, now: datetime) -> None:
        last = await session.get(Attempt, (job.id, job.attempt)) if job.attempt else None
        if last is not None and last.status == "created":
            last.agent_id = agent.id
        else:
            earlier, kept = await jobs.attempts_of(session, job.id), await jobs.checkpoints_of(session, job.id)
            wait = (now - last.finished_at).total_seconds() if last is not None and last.finished_at else None
            count_start(session, job, last, now)
            job.attempt += 1
            session.add(
                Attempt(
                    job_id=job.id,
                    number=job.attempt,
                    status="created",
                    agent_id=agent.id,
                    config=job.next_config or job.config,
                    resumed_from=beginning(job, earlier, kept),
                    wait_s=wait,
                    last_agent_seq=0,
                    created_at=now,
                )
            )
        job.status = transition(JOB_STATES, job.status, "starting")
        job.updated_at = now
        job.progress = {"phase": "starting"}
        jobs.append_event(session, job, "attempt", now, {"number": job.attempt, "agent_id": agent.id})
        jobs.append_event(session, job, "state", now, {"status": "starting"})
        await session.flush()

    async def _hand_over(self, job_id: str, agent: Agent) -> PlatformError | None:
        spec = await self._spec(job_id)
        try:
            with deadline(HAND_OVER_SECONDS):
                taken = await self.trainer.start(agent.url, spec)
        except PlatformError as error:
            return await self._not_taken(job_id, spec["attempt"], agent, error)
        return await self._taken(job_id, spec["attempt"], taken)

    async def _taken(self, job_id: str, number: int, taken: bool) -> None:
        now = self.clock()

        async def tx(session: AsyncSession) -> None:
            job = await jobs.get_job(session, job_id, lock=True)
            attempt = await jobs.get_attempt(session, job_id, number)
            if attempt.status != "created":
                return
            if taken:
                attempt.status = transition(ATTEMPT_STATES, attempt.status, "starting")
                attempt.heard_at = now
            elif job.status == "starting":
                # An attempt that waits in the queue holds no slot of the agent that had none for it.
                attempt.agent_id = None
                job.status = transition(JOB_STATES, job.status, "queued")
                jobs.append_event(session, job, "state", now, {"status": "queued", "reason": "the agent is busy"})

        await self.db.write(tx)

    async def _not_taken(self, job_id: str, number: int, agent: Agent, error: PlatformError) -> PlatformError:
        """An agent that cannot be reached is not asked again before it reports; an agent's refusal fails the attempt."""
        now = self.clock()
        why = said(getattr(error.__cause__, "original_exception", None) or error.__cause__ or error)
        logger.warning("attempt not taken", job_id=job_id, attempt=number, agent_id=agent.id, code=error.code, reason=why)

        async def tx(session: AsyncSession) -> None:
            job = await jobs.get_job(session, job_id, lock=True)
            attempt = await jobs.get_attempt(session, job_id, number)
            if attempt.status in ATTEMPT_FINAL:
                return
            evidence = {"error": {"type": error.error_type.value, "code": error.code, "message": error.message}}
            await fail_attempt(session, job, attempt, evidence, now, self.rng)
            row = await session.get(Agent, agent.id)
            if row is not None and error.code == "TRAINER_UNREACHABLE":
                row.last_seen_at = min(row.last_seen_at, now - self.alive_for)

        await self.db.write(tx)
        return error

    async def _spec(self, job_id: str) -> dict[str, Any]:
        async def rows(session: AsyncSession) -> tuple[Job, Attempt]:
            job = await jobs.get_job(session, job_id)
            return job, await jobs.get_attempt(session, job_id, job.attempt)

        job, attempt = await self.db.read(rows)
        base = f"{self.public_url()}/api/v1"
        mine = f"{base}/training-jobs/{job_id}"
        resume = None
        if (file := attempt.resumed_from) is not None:
            theirs = f"{base}/training-jobs/{file.get('job_id', job_id)}/attempts/{file['attempt']}"
            resume = {
                "url": f"{theirs}/artifacts/{file['name']}",
                "epoch": file["epoch"],
                "sha256": file["sha256"],
            }
        weights = None
        if attempt.config.get("weights_id"):
            weights = {
                "url": f"{base}/weights/{attempt.config['weights_id']}/content",
                "name": attempt.config["weights_id"],
            }
        return {
            "job_id": job_id,
            "attempt": attempt.number,
            "token": self.tokens.token(job_id, attempt.number),
            "callback_url": f"{mine}/callback",
            "artifacts_url": f"{mine}/attempts/{attempt.number}/artifacts",
            "framework": job.framework,
            "config": attempt.config,
            "dataset": await self.datasets.for_agent(job.dataset_id, attempt.config, base),
            "weights": weights,
            "resume": resume,
            "limits": {"max_duration_s": attempt.config.get("max_duration_s")},
            "traceparent": current_traceparent(),
        }
