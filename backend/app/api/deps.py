"""The parts of the running backend, put together once, and how endpoints get at them."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import Depends
from starlette.requests import HTTPConnection

from app.api.auth import Guard
from app.clients.llm import make_llm
from app.clients.storage import Storage
from app.clients.trainer import TrainerClient
from app.config import Settings
from app.db.session import Database, utcnow
from app.services.agents import AgentService
from app.services.alert_board import AlertBoard, make_board
from app.services.artifacts import ArtifactService
from app.services.bulk_retry import BulkRetry
from app.services.callers import Caller
from app.services.cluster import Cluster
from app.services.collector import Collector
from app.services.datasets import DatasetService
from app.services.dependencies import Dependencies
from app.services.digest import Digests
from app.services.dry_run import DryRun
from app.services.error_groups import ErrorGroups
from app.services.explain import ExplanationService
from app.services.feedback import FeedbackService
from app.services.gauges import Gauges
from app.services.idempotency import IdempotencyService
from app.services.llm_budget import LlmBudget
from app.services.mlflow_runs import MlflowRuns, make_mlflow
from app.services.occurrences import Occurrences
from app.services.page_reports import PageReports
from app.services.probes import Integrations, probes
from app.services.reading import JobReader
from app.services.retention import Keep, Retention
from app.services.rules import RuleService
from app.services.standing import Standing
from app.services.storms import Storms
from app.services.support_bundle import SupportBundles
from app.services.training import TrainingService
from app.services.updates import UpdateService
from app.services.uploads import UploadService
from app.websocket.hub import Hub
from app.workflows.dispatch import Dispatcher
from app.workflows.driver import Driver, make_driver


def named_callers(settings: Settings) -> dict[str, Caller]:
    """People with tokens of their own, by these."""
    return {entry.token.get_secret_value(): Caller(name, entry.role) for name, entry in settings.tokens.items()}


@dataclass(slots=True)
class Platform:
    """Everything a running backend consists of."""

    settings: Settings
    guard: Guard
    db: Database
    hub: Hub
    cluster: Cluster
    storage: Storage
    trainer: TrainerClient
    datasets: DatasetService
    training: TrainingService
    bulk_retry: BulkRetry
    dry_run: DryRun
    reader: JobReader
    updates: UpdateService
    artifacts: ArtifactService
    uploads: UploadService
    collector: Collector
    agents: AgentService
    rules: RuleService
    explanations: ExplanationService
    feedback: FeedbackService
    occurrences: Occurrences
    error_groups: ErrorGroups
    page_reports: PageReports
    digests: Digests
    support_bundles: SupportBundles
    retention: Retention
    idempotency: IdempotencyService
    mlflow: MlflowRuns | None
    gauges: Gauges
    alert_board: AlertBoard
    driver: Driver
    base_url: str = ""
    dependencies: Dependencies = field(init=False)
    standing: Standing = field(init=False)

    def public_url(self) -> str:
        """The address under which agents reach this backend."""
        return self.settings.public_url or self.base_url


def _tracking(settings: Settings, db: Database, storage: Storage, clock: Callable[[], datetime]) -> dict[str, Any]:
    """The parts of the error tracking."""
    groups = ErrorGroups(db, clock)
    occurrences = Occurrences(db, clock, Storms(settings.error_kept_per_hour))
    keep = Keep(settings.error_retention_days, settings.error_max_occurrences, settings.error_group_retention_days)
    return {
        "occurrences": occurrences,
        "error_groups": groups,
        "page_reports": PageReports(occurrences, clock),
        "digests": Digests(db, clock),
        "feedback": FeedbackService(db, clock),
        "support_bundles": SupportBundles(db, storage, groups, clock),
        "retention": Retention(db, keep, clock),
    }


def _database(settings: Settings, hub: Hub) -> Database:
    return Database(
        settings.db_url,
        on_commit=hub.publish,
        on_doubt=hub.look_again,
        seconds=settings.database_timeout_seconds,
        pool=settings.database_pool,
    )


def _files(settings: Settings, datasets: DatasetService, artifacts: ArtifactService, cluster: Cluster) -> dict[str, Any]:
    """The parts that keep files."""
    db, storage, clock = datasets.db, datasets.storage, datasets.clock
    return {
        "storage": storage,
        "datasets": datasets,
        "artifacts": artifacts,
        "uploads": UploadService(storage, datasets, settings, cluster, clock),
        "collector": Collector(db, storage, settings, cluster, clock),
    }


def _jobs(db: Database, training: TrainingService, alive_for: timedelta, clock: Callable[[], datetime]) -> dict[str, Any]:
    """The parts that take jobs in and show them."""
    return {
        "training": training,
        "bulk_retry": BulkRetry(db, training),
        "dry_run": DryRun(db, training, alive_for, clock),
        "reader": JobReader(db),
        "idempotency": IdempotencyService(db, clock),
    }


def build(settings: Settings, clock: Callable[[], datetime] = utcnow, rng: random.Random | None = None) -> Platform:
    """Puts a backend together; nothing is opened or started."""
    rng = rng or random.Random()  # noqa: S311 - jitter, no secret
    guard = Guard(settings.user_token(), settings.agents_secret(), named_callers(settings))
    hub = Hub()
    db = _database(settings, hub)
    cluster = Cluster(db, hub.hear, hub.hear_all)
    storage = Storage(settings.objects_url)
    trainer = TrainerClient(settings.agents_secret())
    datasets = DatasetService(db, storage, settings, clock, cluster)
    training = TrainingService(db, datasets, settings, clock)
    alive_for = timedelta(seconds=settings.lost_after_seconds)

    def public_url() -> str:
        return platform.public_url()

    keys = guard.tokens
    dispatcher = Dispatcher(db, trainer, training, datasets, keys, public_url, alive_for, clock, rng, cluster)
    driver = make_driver(settings, dispatcher, alive_for)
    updates = UpdateService(db, storage, driver.kick, clock, rng, mlflow=settings.mlflow_tracking_uri is not None)
    artifacts = ArtifactService(db, storage, settings, updates, clock)
    platform = Platform(
        settings=settings,
        guard=guard,
        db=db,
        hub=hub,
        cluster=cluster,
        trainer=trainer,
        updates=updates,
        **_jobs(db, training, alive_for, clock),
        **_files(settings, datasets, artifacts, cluster),
        agents=AgentService(db, updates, trainer, driver.kick, alive_for, clock),
        rules=RuleService(db, storage, clock),
        explanations=ExplanationService(db, storage, make_llm(settings), LlmBudget(db, settings.llm_daily_calls, clock)),
        **_tracking(settings, db, storage, clock),
        mlflow=make_mlflow(settings, db, artifacts, clock),
        gauges=Gauges(db, settings.home, alive_for, hub.watching, clock),
        alert_board=make_board(settings, public_url, clock),
        driver=driver,
    )
    _share(platform)
    return _watched(platform, clock)


def _watched(platform: Platform, clock: Callable[[], datetime]) -> Platform:
    """The platform with what tells how it stands."""
    of = Integrations(
        settings=platform.settings,
        db=platform.db,
        storage=platform.storage,
        trainer=platform.trainer,
        mlflow=platform.mlflow and platform.mlflow.client,
        temporal=platform.driver.client,
        llm=platform.explanations.llm,
        alertmanager=platform.alert_board.alertmanager,
        agents=platform.agents,
    )
    platform.dependencies = Dependencies(probes(of), platform.cluster.breakers.is_off, clock=clock)
    platform.standing = Standing(
        dependencies=platform.dependencies,
        agents=platform.agents,
        open_jobs=platform.training.open_count,
        away=lambda: platform.driver.away,
        home=platform.settings.home,
    )
    return platform


def _share(platform: Platform) -> None:
    """Has this backend take over what a dead one left, and share what it learns of dependencies."""
    cluster = platform.cluster
    cluster.gone += [platform.datasets.checks.take_up_soon, platform.driver.kick]
    platform.trainer.on_breaker = cluster.breakers.share
    for called in (platform.explanations.llm, platform.driver.client):
        if called is not None:
            cluster.breakers.share(called.breaker)
    # What keeps the shared state cannot tell that it is away itself.
    cluster.breakers.follow(platform.db.breaker)


def platform_of(connection: HTTPConnection) -> Platform:
    """The backend that serves this connection."""
    platform: Platform = connection.app.state.platform
    return platform


PlatformDep = Annotated[Platform, Depends(platform_of)]


async def user(connection: HTTPConnection, platform: PlatformDep) -> Caller:
    """Lets only people pass, and to a job only those whose it is; operators to all.

    Raises:
        PlatformError: INVALID_TOKEN, INSUFFICIENT_PERMISSIONS.
    """
    who = platform.guard.user(connection)
    await _own(connection, platform, who)
    return who


async def _own(connection: HTTPConnection, platform: Platform, who: Caller | None) -> None:
    """Refuses a job that is not the caller's."""
    job_id = connection.path_params.get("job_id")
    if job_id is not None and who is not None and who.viewer is not None:
        await platform.reader.check_owner(job_id, who.viewer)


def operator(connection: HTTPConnection, platform: PlatformDep) -> Caller:
    """Lets only operators pass.

    Raises:
        PlatformError: INVALID_TOKEN, INSUFFICIENT_PERMISSIONS.
    """
    return platform.guard.operator(connection)


def agent(connection: HTTPConnection, platform: PlatformDep) -> None:
    """Lets only agents pass.

    Raises:
        PlatformError: INVALID_TOKEN, INSUFFICIENT_PERMISSIONS.
    """
    platform.guard.agent(connection)


async def attempt_or_user(connection: HTTPConnection, platform: PlatformDep) -> None:
    """Lets people and any attempt pass; people only to a job that is theirs.

    Raises:
        PlatformError: INVALID_TOKEN, INSUFFICIENT_PERMISSIONS.
    """
    await _own(connection, platform, platform.guard.attempt_or_user(connection))


def attempt(job_id: str, connection: HTTPConnection, platform: PlatformDep) -> int:
    """Lets only an attempt of the job in the path pass, and gives its number.

    Raises:
        PlatformError: INVALID_TOKEN, INSUFFICIENT_PERMISSIONS.
    """
    return platform.guard.attempt(connection, job_id)


UserDep = Depends(user)
OperatorDep = Depends(operator)
CallerDep = Annotated[Caller, Depends(user)]
OperatorCallerDep = Annotated[Caller, Depends(operator)]
AgentDep = Depends(agent)
AttemptOrUserDep = Depends(attempt_or_user)
AttemptDep = Annotated[int, Depends(attempt)]
