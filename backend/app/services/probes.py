"""What is asked of each integration to learn whether it is there: one row each. Cheap, once, and beside its breaker."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from app.clients.alerts import AlertmanagerClient
from app.clients.llm import LlmClient
from app.clients.mlflow import MlflowClient
from app.clients.reach import takes_connections, through
from app.clients.storage import Storage
from app.clients.trainer import TrainerClient
from app.config import Settings
from app.core.errors import PlatformError
from app.core.policies import POLICIES
from app.db.session import Database
from app.services.agents import AgentService
from app.services.alerts import alertmanager_of

PATIENCE = 2.0
"""Seconds after which a dependency that has not answered counts as not reachable."""
FIRST_IMPORT = 15.0
"""The same where the first question loads a large library."""
MOST_AGENTS = 50
"""Agents that are asked; of more, the ones heard of last."""
LLM_ADDRESSES = {"anthropic": "https://api.anthropic.com", "openai": "https://api.openai.com"}
BESIDE_POLICIES = {
    "alerts": "Alert receiver",
    "alertmanager": "Alertmanager",
    "sentry": "Sentry",
    "traces": "Trace collector",
}
"""Integrations whose calls their own libraries look after, or nobody waits for, with their titles."""
TITLES = {**{policy.name: policy.title for policy in POLICIES.values()}, **BESIDE_POLICIES}


@dataclass(frozen=True, slots=True)
class Told:
    """What was learnt of a dependency: `reachable` is None where there was nobody to ask, `addresses` are those that were
    asked and `silent` those of them that did not answer, where there are several."""

    version: str | None = None
    reachable: bool | None = True
    addresses: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    error: PlatformError | None = None


class Asked(Protocol):
    """Whatever tells a version."""

    async def version(self) -> str:
        """Its version."""


@dataclass(frozen=True, slots=True)
class Probe:
    """How one integration is asked. `kind` says what it is, None where it is not set up; `ask` raises what is wrong."""

    name: str
    kind: str | None
    ask: Callable[[], Awaitable[Told]]
    patience: float = PATIENCE


@dataclass(frozen=True, slots=True)
class Integrations:
    """The running backend's ways to its integrations."""

    settings: Settings
    db: Database
    storage: Storage
    trainer: TrainerClient
    mlflow: MlflowClient | None
    temporal: Asked | None
    llm: LlmClient | None
    alertmanager: AlertmanagerClient | None
    agents: AgentService


def probes(of: Integrations) -> list[Probe]:
    """A row for each integration, in the order in which they are shown."""
    settings = of.settings
    alerts, sentry = settings.alert_url, settings.sentry_dsn.get_secret_value() if settings.sentry_dsn else None
    llm = of.llm and (of.llm.base_url or LLM_ADDRESSES[of.llm.provider])
    alert_kind = alerts and ("alertmanager" if alertmanager_of(alerts) else "webhook")
    return [
        Probe("trainer", "agents", lambda: _agents(of)),
        Probe("mlflow", of.mlflow and "server", _version(of.mlflow), FIRST_IMPORT),
        Probe("storage", of.storage.kind, lambda: _storage(of.storage)),
        Probe("temporal", of.temporal and "server", _version(of.temporal)),
        Probe("database", "sqlite" if of.db.sqlite else "postgresql", _version(of.db)),
        Probe("llm", of.llm and of.llm.provider, _connection("llm", llm and through(llm), of.llm and of.llm.model)),
        Probe("alerts", alert_kind, _connection("alerts", alerts)),
        Probe("alertmanager", of.alertmanager and "server", _version(of.alertmanager)),
        Probe("sentry", sentry and "server", _connection("sentry", sentry and through(sentry))),
        Probe("traces", settings.otlp_endpoint and "otlp", _connection("traces", settings.otlp_endpoint)),
    ]


def _version(of: Asked | None) -> Callable[[], Awaitable[Told]]:
    async def ask() -> Told:
        return Told() if of is None else Told(await of.version())

    return ask


def _connection(name: str, url: str | None, version: str | None = None) -> Callable[[], Awaitable[Told]]:
    async def ask() -> Told:
        if url is not None:
            await takes_connections(url, TITLES[name])
        return Told(version)

    return ask


async def _storage(storage: Storage) -> Told:
    await storage.check()
    return Told()


async def _agents(of: Integrations) -> Told:
    """Asks every agent that lives; those that are silent by themselves are a matter of the list of agents."""
    alive = await _alive(of)
    if not alive:
        return Told(reachable=None)
    refused: dict[str, PlatformError] = {}

    async def ask(url: str) -> None:
        try:
            await of.trainer.answers(url)
        except PlatformError as error:
            refused[url] = error

    urls = tuple(dict.fromkeys(agent["url"] for agent in alive))
    for url in urls:
        of.trainer.breaker(url)  # which a person may want to switch off before the first call
    await asyncio.gather(*(ask(url) for url in urls))
    silent = tuple(url for url in urls if url in refused)
    return Told(
        version=", ".join(sorted({agent["version"] for agent in alive})),
        reachable=len(silent) < len(urls),
        addresses=urls,
        silent=silent,
        error=refused[silent[0]] if silent else None,
    )


async def _alive(of: Integrations) -> Sequence[Mapping[str, Any]]:
    """The agents heard of lately; none where the database does not tell, which is not theirs to answer for."""
    try:
        # Not `deadline`: that lets a connection which hangs be closed first.
        async with asyncio.timeout(PATIENCE / 2):
            found = await of.agents.list_all()
    except (PlatformError, TimeoutError):
        return ()
    alive = (agent for agent in found if agent["alive"])
    return sorted(alive, key=lambda agent: str(agent["last_seen_at"]), reverse=True)[:MOST_AGENTS]
