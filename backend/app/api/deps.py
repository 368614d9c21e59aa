"""The parts of the running backend, put together once, and how endpoints get at them."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from app.api.auth import Guard
from app.clients.llm import make_llm
from app.clients.storage import Storage
from app.clients.trainer import TrainerClient
from app.config import Settings
from app.db.session import Database, utcnow
from app.services.agents import AgentService
from app.services.artifacts import ArtifactService
from app.services.bulk_retry import BulkRetry
from app.services.datasets import DatasetService
from app.services.explain import ExplanationService
from app.services.idempotency import IdempotencyService
from app.services.occurrences import Occurrences
from app.services.reading import JobReader
from app.services.rules import RuleService
from app.services.training import TrainingService
from app.services.updates import UpdateService
from app.websocket.hub import Hub
from app.workflows.dispatch import Dispatcher
from app.workflows.local import LocalDriver


@dataclass(slots=True)
class Platform:
    """Everything a running backend consists of."""

    settings: Settings
    guard: Guard
    db: Database
    hub: Hub
    storage: Storage
    trainer: TrainerClient
    datasets: DatasetService
    training: TrainingService
    bulk_retry: BulkRetry
    reader: JobReader
    updates: UpdateService
    artifacts: ArtifactService
    agents: AgentService
    rules: RuleService
    explanations: ExplanationService
    occurrences: Occurrences
    idempotency: IdempotencyService
    driver: LocalDriver
    base_url: str = ""

    def public_url(self) -> str:
        """The address under which agents reach this backend."""
        return self.settings.public_url or self.base_url


def build(settings: Settings, clock: Callable[[], datetime] = utcnow, rng: random.Random | None = None) -> Platform:
    """Puts a backend together; nothing is opened or started."""
    rng = rng or random.Random()  # noqa: S311 - jitter, no secret
    guard = Guard(settings.user_token(), settings.agents_secret())
    hub = Hub()
    db = Database(settings.db_url, on_commit=hub.publish)
    storage = Storage(settings.objects_url)
    trainer = TrainerClient(settings.agents_secret())
    datasets = DatasetService(db, storage, settings, clock)
    training = TrainingService(db, datasets, settings, clock)
    alive_for = timedelta(seconds=settings.lost_after_seconds)

    def public_url() -> str:
        return platform.public_url()

    dispatcher = Dispatcher(db, trainer, training, datasets, guard.tokens, public_url, alive_for, clock, rng)
    driver = LocalDriver(dispatcher, silence=alive_for)
    updates = UpdateService(db, storage, driver.kick, clock, rng)
    platform = Platform(
        settings=settings,
        guard=guard,
        db=db,
        hub=hub,
        storage=storage,
        trainer=trainer,
        datasets=datasets,
        training=training,
        bulk_retry=BulkRetry(db, training),
        reader=JobReader(db),
        updates=updates,
        artifacts=ArtifactService(db, storage, settings, updates, clock),
        agents=AgentService(db, updates, trainer, driver.kick, alive_for, clock),
        rules=RuleService(db, storage, clock),
        explanations=ExplanationService(db, storage, make_llm(settings)),
        occurrences=Occurrences(db),
        idempotency=IdempotencyService(db, clock),
        driver=driver,
    )
    return platform


def platform_of(connection: HTTPConnection) -> Platform:
    """The backend that serves this connection."""
    platform: Platform = connection.app.state.platform
    return platform


PlatformDep = Annotated[Platform, Depends(platform_of)]


def user(connection: HTTPConnection, platform: PlatformDep) -> None:
    """Lets only the user pass.

    Raises:
        PlatformError: INVALID_TOKEN, INSUFFICIENT_PERMISSIONS.
    """
    platform.guard.user(connection)


def agent(connection: HTTPConnection, platform: PlatformDep) -> None:
    """Lets only agents pass.

    Raises:
        PlatformError: INVALID_TOKEN, INSUFFICIENT_PERMISSIONS.
    """
    platform.guard.agent(connection)


def attempt_or_user(connection: HTTPConnection, platform: PlatformDep) -> None:
    """Lets the user and any attempt pass.

    Raises:
        PlatformError: INVALID_TOKEN, INSUFFICIENT_PERMISSIONS.
    """
    platform.guard.attempt_or_user(connection)


def attempt(job_id: str, connection: HTTPConnection, platform: PlatformDep) -> int:
    """Lets only an attempt of the job in the path pass, and gives its number.

    Raises:
        PlatformError: INVALID_TOKEN, INSUFFICIENT_PERMISSIONS.
    """
    return platform.guard.attempt(connection, job_id)


UserDep = Depends(user)
AgentDep = Depends(agent)
AttemptOrUserDep = Depends(attempt_or_user)
AttemptDep = Annotated[int, Depends(attempt)]
