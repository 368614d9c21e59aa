"""Trainings in MLflow, beside everything else: no training, request or agent ever waits for it.

A training's events are in the database anyway; a run only remembers up to which of them MLflow has been told. So an outage
of any length costs nothing but that memory, restarts lose nothing, and what has come together goes out in order as soon as
MLflow is back. How many events may wait is bounded all the same: beyond that the oldest trainings' are given up and counted.
"""

import asyncio
import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from prometheus_client import Counter
from sqlalchemy.ext.asyncio import AsyncSession

from app.clients.mlflow import MlflowClient
from app.config import Settings
from app.core.errors import PlatformError
from app.core.logging import get_logger
from app.core.metrics import contained, track_error
from app.db.mlflow import MlflowRun
from app.db.models import Job
from app.db.repositories import jobs
from app.db.repositories import mlflow_runs as runs
from app.db.session import Database, utcnow
from app.db.states import JOB_FINAL
from app.services.artifacts import ArtifactService
from app.services.mlflow_files import FileSender
from app.services.mlflow_points import ENDED, ending_tags, milliseconds, points_of, run_start

EVERY_SECONDS, LONGEST_PAUSE = 2.0, 30.0
LONGEST_ASKED = 3600.0
"""A server that asks for more than this is asked again all the same."""
CLAIM = timedelta(seconds=60)
EVENTS_AT_ONCE = 500
logger = get_logger(__name__)
points_total = Counter("platform_mlflow_points_total", "Figures of trainings for MLflow, by what came of them", ["outcome"])


class Away(Exception):
    """MLflow is not there."""


class MlflowRuns:
    """Tells MLflow of every training; `journal` is how many events may wait for it."""

    def __init__(
        self,
        db: Database,
        client: MlflowClient,
        files: FileSender,
        journal: int,
        clock: Callable[[], datetime] = utcnow,
        every: float = EVERY_SECONDS,
    ) -> None:
        self.db, self.client, self.files, self.journal, self.clock, self.every = db, client, files, journal, clock, every
        self.away_since: datetime | None = None
        self.last_trouble: tuple[datetime, str] | None = None
        """The newest failure and when it was."""
        self._me = uuid.uuid4().hex
        self._failures = 0
        self._not_before: datetime | None = None
        """When the server said to come again."""
        self._later: dict[str, tuple[datetime, int]] = {}
        """Runs that fail while MLflow is there: when to try again, and failures so far."""
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to tell."""
        self._task = asyncio.create_task(self._run(), name="mlflow")

    async def stop(self) -> None:
        """Ends; what is not told yet is told after the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        self.client.close()

    async def _run(self) -> None:
        with contained("mlflow"):
            await self.db.write(runs.begin_missing)
        while True:
            with contained("mlflow"):
                await self.round()
            await asyncio.sleep(
                min(LONGEST_PAUSE, self.every * 2 ** min(self._failures, 8)) if self.away_since else self.every
            )

    async def round(self) -> None:
        """Tells MLflow everything that it can be told now."""
        if not self._may_ask():
            await self._keep()
            return
        if not await self.db.read(runs.any_open):
            if self.away_since is not None:
                await self._is_back()
            return
        now = self.clock()
        claim = runs.Claim(self._me, now, now + CLAIM)
        mine = await self.db.write(lambda session: runs.claimed(session, claim, alone=self.db.sqlite))
        if self.away_since is not None and not await self._is_back():
            await self._stay_away()
            return
        for run, job in mine:
            if self._later.get(run.job_id, (now, 0))[0] > now:
                continue
            try:
                await self._tell(run, job)
            except Away:
                if not await self._is_back():
                    await self._stay_away()
                    return
                await self._put_off(run, self.last_trouble[1] if self.last_trouble else "")
            except PlatformError as error:
                if self.client.denied:
                    self._note_away()
                    await self._stay_away()
                    return
                await self._failed(run, error)
            else:
                self._later.pop(run.job_id, None)

    def _may_ask(self) -> bool:
        """Whether the time is over for which MLflow asked to be left alone, whoever was told so."""
        if self._not_before is None and self.client.wait_asked:
            self._note_away()
            self._leave_alone()
        if self._not_before is not None and self.clock() < self._not_before:
            return False
        self._not_before = self.client.wait_asked = None
        return True

    def _leave_alone(self) -> None:
        """Notes until when, where MLflow has asked for it."""
        if self.client.wait_asked:
            self._not_before = self.clock() + timedelta(seconds=min(LONGEST_ASKED, self.client.wait_asked))

    async def _is_back(self) -> bool:
        """Whether MLflow answers a small question; notes where it does not, or has just asked not to be asked."""
        trouble = self.client.trouble
        if trouble:
            self.last_trouble = (self.clock(), trouble)
        try:
            await self.client.version()
        except PlatformError:
            self._note_away()
            return False
        if self.away_since is not None:
            logger.info("mlflow is back", away_since=self.away_since)
        self.away_since, self._failures = None, 0
        return True

    def _note_away(self) -> None:
        now = self.clock()
        self.last_trouble = (now, self.client.trouble)
        self._failures += 1
        if self.away_since is None:
            self.away_since = now
            track_error(PlatformError.from_code("MLFLOW_UNAVAILABLE"), "mlflow")
            logger.warning("mlflow is away: trainings go on, figures wait", reason=self.client.trouble)

    async def _stay_away(self) -> None:
        self._leave_alone()
        await self._keep()

    async def _keep(self) -> None:
        """Lets all that is open wait, as far as the journal has room for it."""
        now, reason = self.clock(), self.last_trouble[1] if self.last_trouble else ""

        async def tx(session: AsyncSession) -> int:
            await runs.mark_behind(session, now, reason)
            room, lost = self.journal, 0
            for run, waiting in await runs.waiting_by_run(session):
                if waiting > room:
                    lost += await runs.give_up_oldest(session, run, waiting, room)
                room = max(0, room - waiting)
            return lost

        lost = await self.db.write(tx)
        if lost:
            points_total.labels(outcome="given up").inc(lost)
            logger.warning("mlflow journal full: the oldest trainings' figures were given up", events=lost)

    async def _tell(self, run: MlflowRun, job: Job) -> None:
        """Brings one run up to date, and closes it where its job has ended.

        Raises:
            Away: MLflow is not there.
            PlatformError: MLflow does not take it, or a file of the job cannot be read.
        """
        if run.url is None:
            run.url = _there(await self.client.open_run(run_start(job, run.key)))
            await self._note(run, url=run.url)
        run_id = run.url.rpartition("/")[2]
        while events := await self._unsent(run):
            points = points_of(events)
            if points:
                _there(await self.client.log(run_id, points))
            late = len(points) if run.state == "behind" else 0
            points_total.labels(outcome="late" if late else "sent").inc(len(points))
            run.sent_seq, run.gap_points = events[-1].seq, run.gap_points + late
            await self._note(run, sent_seq=run.sent_seq, gap_points=run.gap_points)
        if job.status in JOB_FINAL:
            await self._finish(run, job, run_id)
        elif run.state == "behind":
            await self._note(run, state="following", gap_until=self.clock(), reason=None)

    async def _unsent(self, run: MlflowRun) -> Any:
        return await self.db.read(lambda session: runs.unsent(session, run.job_id, run.sent_seq, EVENTS_AT_ONCE))

    async def _finish(self, run: MlflowRun, job: Job, run_id: str) -> None:
        attempts = await self.db.read(lambda session: jobs.attempts_of(session, job.id))
        _there(await self.files.send(job, run_id))
        _there(await self.client.log(run_id, [], ending_tags(job, attempts, run.given_up)))
        _there(await self.client.end_run(run_id, ENDED[job.status], milliseconds(job.finished_at or job.updated_at)))
        over = {"gap_until": self.clock()} if run.state == "behind" else {}
        await self._note(run, state="complete", reason=None, **over)

    async def _failed(self, run: MlflowRun, error: PlatformError) -> None:
        """One run cannot be told of: for good where MLflow refuses, else later."""
        track_error(error, "mlflow")
        logger.warning("mlflow run failed", job_id=run.job_id, code=error.code, reason=self.client.trouble)
        if error.code == "MLFLOW_UNAVAILABLE":
            await self._note(run, state="refused", reason=self.client.trouble)
        else:
            await self._put_off(run, f"waits for a file of the training ({error.code})")

    async def _put_off(self, run: MlflowRun, reason: str) -> None:
        """Tries one run again later; the others go on."""
        now = self.clock()
        failures = self._later.get(run.job_id, (now, 0))[1] + 1
        self._later[run.job_id] = (now + timedelta(seconds=min(LONGEST_PAUSE, self.every * 2**failures)), failures)
        since = {"gap_since": now, "gap_until": None, "gap_points": 0} if run.state == "following" else {}
        await self._note(run, state="behind", reason=reason, **since)

    async def _note(self, run: MlflowRun, **values: Any) -> None:
        if not self.db.sqlite:
            values["claimed_until"] = self.clock() + CLAIM
        with suppress(KeyError):
            run.state = values["state"]
        await self.db.write(lambda session: runs.note(session, run.job_id, values))


def make_mlflow(
    settings: Settings, db: Database, artifacts: ArtifactService, clock: Callable[[], datetime]
) -> MlflowRuns | None:
    """What tells MLflow, where one is set."""
    if settings.mlflow_tracking_uri is None:
        return None
    client = MlflowClient(settings.mlflow_tracking_uri, settings.mlflow_experiment)
    return MlflowRuns(db, client, FileSender(db, artifacts, client), settings.mlflow_journal, clock)


def _there(answer: Any) -> Any:
    """The answer.

    Raises:
        Away: there is none.
    """
    if answer is None:
        raise Away
    return answer
