"""Work that a backend does by itself, once an hour."""

import asyncio
from collections.abc import Awaitable, Callable

from app.core.metrics import contained

EVERY_SECONDS = 3600.0


class Hourly:
    """Does `work` every hour, also `at_once` where that is wanted. What it raises is reported under `name`; the next hour
    tries again."""

    def __init__(self, name: str, work: Callable[[], Awaitable[object]], *, at_once: bool = False) -> None:
        self.name, self.work, self.at_once = name, work, at_once
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins."""
        self._task = asyncio.create_task(self._run(), name=self.name)

    async def stop(self) -> None:
        """Ends; work under way is cut off."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _run(self) -> None:
        if not self.at_once:
            await asyncio.sleep(EVERY_SECONDS)
        while True:
            with contained(self.name):
                await self.work()
            await asyncio.sleep(EVERY_SECONDS)
