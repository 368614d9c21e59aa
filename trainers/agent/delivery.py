"""Delivers an attempt's updates to the backend: in order, at least once, for as long as it takes."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from trainers.agent.backend import Backend, BackendAway, BackendRefuses, UnknownAttempt, sha256_of
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
                wait = back_off(failures, self.rng)
                self.log(f"{self.key[0]}/{self.key[1]}: backend away ({error}), next try in {wait:.1f} s")
                await self.sleep(wait)
            except UnknownAttempt as error:
                self.log(f"{self.key[0]}/{self.key[1]}: the backend does not want it: {error}")
                self.final = True

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
        try:
            reply = await self.backend.post(self.spec["callback_url"], self.spec["token"], ready)
        except UnknownAttempt:
            raise
        except BackendRefuses as error:
            # An update that the backend does not understand must not dam up all that follow it.
            self.log(f"{self.key[0]}/{self.key[1]}: update {ready[0]['seq']} refused: {error}")
            if len(ready) > 1 or _is_bare(ready[0]):
                reply = await self._one_by_one(ready)
            else:
                reply = await self.backend.post(self.spec["callback_url"], self.spec["token"], [_bare(ready[0])])
        self.outbox.acknowledge(self.key, reply.last_seq)
        self.final = reply.final

    async def _one_by_one(self, ready: list[dict[str, Any]]) -> Any:
        """Delivers each update alone, a refused one without its content."""
        reply = None
        for update in ready:
            try:
                reply = await self.backend.post(self.spec["callback_url"], self.spec["token"], [update])
            except UnknownAttempt:
                raise
            except BackendRefuses as error:
                if _is_bare(update):
                    message = f"a bare update was refused: {error}"
                    raise BackendAway(message) from error
                reply = await self.backend.post(self.spec["callback_url"], self.spec["token"], [_bare(update)])
            self.outbox.acknowledge(self.key, reply.last_seq)
        return reply

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
        finally:
            if note["role"] == "checkpoint" and (outdated or "sha256" in note):
                path.unlink(missing_ok=True)
        told = {key: value for key, value in update.items() if key != "file"}
        return {**told, "artifact": note}


def _bare(update: dict[str, Any]) -> dict[str, Any]:
    """An update that only keeps its place in the order."""
    return {key: update[key] for key in ("status", "attempt", "seq", "at")}


def _is_bare(update: dict[str, Any]) -> bool:
    return update == _bare(update)
