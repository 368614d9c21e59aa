"""Delivers an attempt's updates to the backend: in order, at least once, for as long as it takes."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from trainers.agent.backend import Backend, BackendAway, BackendRefuses, Reply, UnknownAttempt, sha256_of
from trainers.agent.outbox import Key, Outbox

BATCH = 200
FIRST_WAIT, LONGEST_WAIT = 1.0, 30.0
Sleep = Callable[[float], Awaitable[None]]


def back_off(failures: int, rng: random.Random) -> float:
    """Seconds to wait after so many failures in a row: doubling from 1 to 30, with jitter."""
    return rng.uniform(FIRST_WAIT, min(LONGEST_WAIT, FIRST_WAIT * 2**failures))


class Delivery:
    """The way of one attempt's updates. `final` is set when the backend wants nothing more of the attempt."""

    def __init__(
        self,
        backend: Backend,
        outbox: Outbox,
        key: Key,
        spec: dict[str, Any],
        folder: Path,
        *,
        sleep: Sleep = asyncio.sleep,
        rng: random.Random | None = None,
        log: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.backend, self.outbox, self.key, self.spec, self.folder = backend, outbox, key, spec, folder
        self.sleep, self.log = sleep, log
        self.rng = rng or random.Random()  # noqa: S311 - jitter, no secret
        self.news = asyncio.Event()
        self.back = asyncio.Event()
        self.final = False

    async def run(self) -> None:
        """Delivers until the attempt has ended and everything of it has arrived, or the backend wants no more."""
        failures = 0
        while not self.final and not self.outbox.delivered(self.key):
            self.news.clear()
            batch = self.outbox.pending(self.key, BATCH)
            if not batch:
                await self.news.wait()
                continue
            try:
                await self._deliver(batch)
                failures = 0
            except BackendAway as error:
                failures += 1
                wait = max(back_off(failures, self.rng), error.wait)
                self.log(f"{self.key[0]}/{self.key[1]}: backend away ({error}), next try in {wait:.1f} s")
                if error.wait:
                    await self.sleep(error.wait)
                await self.pause(wait - error.wait)
            except UnknownAttempt as error:
                self.log(f"{self.key[0]}/{self.key[1]}: the backend does not want it: {error}")
                self.final = True

    async def pause(self, seconds: float) -> None:
        """Waits, or less where `backend_is_back` is called in between."""
        self.back.clear()
        waits = {asyncio.ensure_future(self.sleep(seconds)), asyncio.create_task(self.back.wait())}
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    def backend_is_back(self) -> None:
        """The backend was reached by another way: the next try need not wait."""
        self.back.set()

    async def _deliver(self, batch: list[dict[str, Any]]) -> None:
        ready: list[dict[str, Any]] = []
        for index, update in enumerate(batch):
            if "file" not in update:
                ready.append(update)
                continue
            if ready:
                # What stood before the file goes first, so that progress is not held up by an upload.
                break
            ready.append(await self._with_file(update, batch[index + 1 :]))
            break
        reply = await self._post(ready)
        self.outbox.acknowledge(self.key, reply.last_seq)
        self.final = self.final or reply.final  # it may have been released in between
        for update in batch[: len(ready)]:
            # Only now: an agent that was killed before this has to send the file again.
            if update.get("artifact", {}).get("role") == "checkpoint" and update["seq"] <= reply.last_seq:
                (self.folder / update["file"]).unlink(missing_ok=True)

    async def _post(self, ready: list[dict[str, Any]]) -> Reply:
        """Posts updates. One that the backend does not understand must not dam up all that follow it."""
        try:
            return await self.backend.post(self.spec["callback_url"], self.spec["token"], ready)
        except UnknownAttempt:
            raise
        except BackendRefuses as error:
            self.log(f"{self.key[0]}/{self.key[1]}: updates from {ready[0]['seq']} on refused: {error}")
            if len(ready) == 1:
                return await self._simpler(ready[0], error)
        reply = Reply(ready[0]["seq"] - 1, final=False)
        for update in ready:
            reply = await self._post([update])
            if reply.final or reply.last_seq < update["seq"]:
                break
        return reply

    async def _simpler(self, update: dict[str, Any], refusal: BackendRefuses) -> Reply:
        """Posts what is left of a refused update without the largest part of its evidence, at last without any content."""
        evidence = update.get("evidence") or {}
        if "log" in evidence or "stack" in evidence:
            kept = {name: value for name, value in evidence.items() if name not in ("log", "stack", "ranks")}
            return await self._post([{**update, "evidence": kept}])
        if update == _bare(update):
            message = f"a bare update was refused: {refusal}"
            raise BackendAway(message) from refusal
        return await self._post([_bare(update)])

    async def _with_file(self, update: dict[str, Any], later: list[dict[str, Any]]) -> dict[str, Any]:
        """Uploads the file of an update; the update as it is told then. A file that is gone or outdated is not told."""
        path = self.folder / update["file"]
        note = update["artifact"]
        outdated = note["role"] == "checkpoint" and any(
            other.get("artifact", {}).get("name") == note["name"] for other in later
        )
        try:
            if outdated:
                return _bare(update)
            digest, size = await asyncio.to_thread(sha256_of, path)
            note = {**note, "sha256": digest, "bytes": size}
            await self.backend.upload(self.spec["artifacts_url"], self.spec["token"], path, note)
        except UnknownAttempt:
            raise
        except (OSError, BackendRefuses) as error:
            self.log(f"{self.key[0]}/{self.key[1]}: {note['name']} not uploaded: {error}")
            return _bare(update)
        told = {key: value for key, value in update.items() if key != "file"}
        return {**told, "artifact": note}


def _bare(update: dict[str, Any]) -> dict[str, Any]:
    """An update that only keeps its place in the order."""
    return {key: update[key] for key in ("status", "attempt", "seq", "at")}
