"""A dry run of a training: everything wrong at once, how it would run, and what memory it would take; nothing is stored."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from app.core.errors import PlatformError
from app.core.responses import public
from app.db.repositories import agents
from app.db.session import Database, utcnow
from app.schemas.training import TrainingConfig
from app.services.config_check import effective_config
from app.services.memory_estimate import estimate
from app.services.no_machine import no_machine
from app.services.safe_batch import safe_batch, too_large
from app.services.training import TrainingService


class DryRun:
    """Answers what page and command line ask before they submit."""

    def __init__(
        self, db: Database, training: TrainingService, alive_for: timedelta, clock: Callable[[], datetime] = utcnow
    ) -> None:
        self.db, self.training, self.alive_for, self.clock = db, training, alive_for, clock

    async def check(self, config: TrainingConfig) -> dict[str, Any]:
        """All problems in their public form, and the configuration as it would run."""
        errors = await self.training.problems(config)
        known = await self.db.read(agents.frameworks)
        values, task = effective_config(config, known)
        warnings, now = [], self.clock()
        if not known:
            warnings.append(public(PlatformError.from_code("TRAINER_UNREACHABLE")))
        elif values["framework"] in known:
            everyone = await self.db.read(agents.all_agents)
            lacking = no_machine(everyone, values, now - self.alive_for)
            warnings += [lacking] if lacking is not None else []
        safe = await self.db.read(lambda session: safe_batch(session, values))
        if safe is not None:
            warnings.append(too_large(values, safe))
        return {
            "valid": not errors,
            "errors": [public(error) for error in errors],
            "warnings": warnings,
            "safe_batch": safe,
            "memory": await self.db.read(lambda session: estimate(session, values, now, self.alive_for)),
            "config": {**values, "task": task},
        }
