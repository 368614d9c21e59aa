"""How the platform stands: each integration with everything known of it, and what is done without because of that."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app.core import last_errors
from app.core.breakers import known_breakers, label_of
from app.core.circuit_breaker import CLOSED, CircuitBreaker
from app.core.error_messages import REGISTRY
from app.core.errors import PlatformError
from app.core.logging import get_logger
from app.core.policies import POLICIES, Policy
from app.core.responses import public
from app.services.agents import AgentService
from app.services.degradation import GRAVEST_FIRST, Part, of_agents, of_disk, of_integration
from app.services.dependencies import Dependencies, Found
from app.services.probes import PATIENCE, TITLES
from app.services.views import stamp

logger = get_logger(__name__)
WORST_FIRST = ("ISOLATED", "OPEN", "HALF_OPEN", "CLOSED")


@dataclass(frozen=True, slots=True)
class Standing:
    """Looks at everything. `away` says why jobs cannot be driven now, None where they can."""

    dependencies: Dependencies
    agents: AgentService
    open_jobs: Callable[[], Awaitable[int]]
    away: Callable[[], PlatformError | None]
    home: Path

    async def integrations(self, *names: str) -> list[dict[str, Any]]:
        """Every integration as the API shows it. Waits for news of those named, or of all, for a moment."""
        found = await self.dependencies.look(*names)
        breakers = known_breakers()
        return [
            integration(one, [each for each in breakers if label_of(each.name) == name], off=self.dependencies.off(name))
            for name, one in found.items()
        ]

    async def whole(self, *names: str) -> dict[str, Any]:
        """Agents, jobs, disk, and what is `degraded`, the gravest for trainings first; nothing of it: all is well. Where the
        database does not answer, `open_jobs` is None and no agent is known."""
        items = await self.integrations(*names)
        known = await self._from_database(next(item for item in items if item["name"] == "database"))
        agents, open_jobs = known or ([], None)
        disk = shutil.disk_usage(self.home)
        found = [of_agents(agents) if known else None, of_disk(disk.free, disk.total), *self._of(items)]
        parts = sorted((part for part in found if part), key=lambda part: GRAVEST_FIRST.index(part.name))
        return {
            "agents": agents,
            "open_jobs": open_jobs,
            "disk": {"free_bytes": disk.free, "total_bytes": disk.total},
            "degraded": [asdict(part) for part in parts],
        }

    async def _from_database(self, database: Mapping[str, Any]) -> tuple[list[dict[str, Any]], int] | None:
        """The agents and the number of open jobs; None where the database does not tell soon."""
        if database["reachable"] is False or database["state"] in ("OPEN", "ISOLATED"):
            return None
        try:
            async with asyncio.timeout(PATIENCE):
                return await self.agents.list_all(), await self.open_jobs()
        except (PlatformError, TimeoutError) as error:
            logger.warning("standing without the database", error=repr(error))
            return None

    def _of(self, items: Sequence[Mapping[str, Any]]) -> list[Part | None]:
        """The integrations' parts; what keeps the driver from its work counts though a question was answered since."""
        driven = self.away() is None
        return [
            of_integration(item if driven or item["name"] != "temporal" else {**item, "reachable": False}) for item in items
        ]


def integration(found: Found, breakers: Sequence[CircuitBreaker], *, off: bool) -> dict[str, Any]:
    """An integration as the API shows it: what it is, whether it is there, how calls to it are protected."""
    states = {"ISOLATED" if breaker.isolated else breaker.state for breaker in breakers}
    if off:
        states.add("ISOLATED")
    described = [breaker.describe() for breaker in breakers]
    item = {
        "name": found.name,
        "title": TITLES[found.name],
        "configured": found.kind,
        "reachable": found.reachable,
        "version": found.version,
        "checked_at": stamp(found.at),
        "last_error": _last_error(found.name),
        "switched_off": off,
        "asked": len(found.addresses),
        "away": len(_away(found, breakers)),
        **_protection(POLICIES.get(found.name)),
        "state": next((state for state in WORST_FIRST if state in states), None),
        "failure_count": max((breaker["failure_count"] for breaker in described), default=0),
        "retry_after": max((breaker["retry_after"] for breaker in described if breaker["retry_after"]), default=None),
        "breakers": described,
    }
    part = of_integration(item)
    return {**item, "degraded": part and part.means}


def _away(found: Found, breakers: Sequence[CircuitBreaker]) -> set[str]:
    """Addresses that do not answer, or are not called now."""
    refused = {breaker.name.partition(" ")[2] for breaker in breakers if breaker.state != CLOSED}
    return set(found.silent) | refused.intersection(found.addresses)


def _protection(policy: Policy | None) -> dict[str, Any]:
    after = policy.breaker_after if policy else None
    return {
        "attempts": policy and policy.attempts,
        "first_wait_s": policy and policy.first_wait,
        "longest_wait_s": policy and policy.longest_wait,
        "breaker_after": {"failures": after[0], "seconds": after[1]} if after else None,
        "give_up": policy.give_up if policy else "none",
    }


def _last_error(name: str) -> dict[str, Any] | None:
    known = last_errors.last(name)
    if known is None:
        return None
    error = PlatformError.from_code(known.code, {"service": TITLES[name]})
    return {
        "code": known.code,
        "message": public(error, trace_id=known.trace_id)["message"],
        "reason": REGISTRY[known.beneath].title if known.beneath else None,
        "at": stamp(datetime.fromtimestamp(known.at, UTC)),
        "trace_id": known.trace_id,
    }
