"""Supervises one attempt from its assignment to the delivery of its last word."""

import asyncio
import json
import shutil
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from trainers.agent import evidence, fetch
from trainers.agent.backend import Backend, BackendAway, BackendRefuses
from trainers.agent.delivery import Delivery, back_off
from trainers.agent.frameworks import Framework
from trainers.agent.journal import last_result, read_events, read_log
from trainers.agent.outbox import Key, Outbox
from trainers.agent.process import AttemptProcess, environment

POLL_SECONDS = 0.05
LOG_SECONDS = 0.25
GRACE_SECONDS = 10.0
EXIT_CANCELLED = 20


def stamp() -> str:
    """The time now: RFC 3339 in UTC with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Supervisor:
    """One attempt on this machine. `run` may be begun again after a kill -9 at any point."""

    def __init__(
        self,
        folder: Path,
        spec: dict[str, Any],
        framework: Framework,
        backend: Backend,
        outbox: Outbox,
        cache: Path,
        log: Callable[[str], None],
    ) -> None:
        self.folder, self.spec, self.framework = folder, spec, framework
        self.backend, self.outbox, self.cache, self.log = backend, outbox, cache, log
        self.key: Key = (str(spec["job_id"]), int(spec["attempt"]))
        self.process = AttemptProcess(folder)
        self.delivery = Delivery(backend, outbox, self.key, spec, folder, log=log)
        self.last_step_at: str | None = None
        self._last_step = time.monotonic()
        self._kill_at: float | None = None
        self._next_log = 0.0
        self._result: dict[str, Any] | None = None
        self._released = False
        self._oom_before: int | None = None
        self._oom_now: int | None = None

    @property
    def busy(self) -> bool:
        """Whether the attempt takes a slot: its training has not ended."""
        position = self.outbox.position(self.key)
        return position is not None and not position.ended

    async def run(self) -> None:
        """Carries the attempt through; afterwards nothing of it is left on this machine but the data set."""
        delivering = asyncio.create_task(self.delivery.run())
        try:
            await self._supervise(delivering)
            await delivering
        finally:
            delivering.cancel()
        await self._kill_rest()
        self.outbox.close_attempt(self.key)
        await asyncio.to_thread(shutil.rmtree, self.folder, ignore_errors=True)

    async def _supervise(self, delivering: asyncio.Task[None]) -> None:
        if not self.busy:
            return
        if not self.process.started() and not await self._prepare(delivering):
            return
        while not (self.delivery.final or delivering.done()):
            ended = self.process.ended()
            self._read(ended=ended)
            if ended:
                self._finish()
                return
            self._watch()
            await asyncio.sleep(POLL_SECONDS)

    async def _prepare(self, delivering: asyncio.Task[None]) -> bool:
        """Brings data and starts the training; False where that failed or is no longer wanted."""
        failures = 0
        while not (self.delivery.final or delivering.done()):
            if (self.folder / "killed_by").exists():
                self._append([{"status": "cancelled", "at": stamp()}], ended=True)
                return False
            try:
                await self._start()
            except BackendAway as error:
                failures += 1
                self.log(f"{self.key[0]}/{self.key[1]}: waiting for the backend: {error}")
                await asyncio.sleep(back_off(failures, self.delivery.rng))
            except BackendRefuses as error:
                self._fail(error.code or "DOWNLOAD_FAILED", f"the data could not be fetched: {error}")
                return False
            except fetch.DamagedDownload as error:
                self._fail("DOWNLOAD_FAILED", str(error))
                return False
            except OSError as error:
                full = error.errno in (28, 122)
                self._fail("DISK_FULL" if full else "SYSTEM_ERROR", f"the attempt could not be prepared: {error}")
                return False
            else:
                return True
        return False

    async def _start(self) -> None:
        if self.outbox.position(self.key).next_seq == 1:  # type: ignore[union-attr] - busy attempts have one
            self._append([{"status": "running", "at": stamp(), "phase": "data"}])
        (self.folder / "work").mkdir(exist_ok=True)
        paths = {"VTP_DATASET_DIR": await fetch.data_set(self.backend, self.spec, self.cache)}
        token = self.spec["token"]
        if self.spec.get("weights"):
            target = self.folder / "weights.pt"
            paths["VTP_WEIGHTS"] = await fetch.single_file(self.backend, self.spec["weights"], token, target)
        if self.spec.get("resume"):
            suffix = Path(self.spec["resume"]["url"]).suffix
            target = self.folder / f"resume{suffix}"
            paths["VTP_RESUME"] = await fetch.single_file(self.backend, self.spec["resume"], token, target)
        variables = environment(self.folder, paths, self.spec.get("traceparent"))
        self.process.start(self.framework.command(), variables)
        deadline = time.monotonic() + GRACE_SECONDS
        while not self.process.started() and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        self._append([{"status": "running", "at": stamp(), "phase": "starting"}])

    def _append(self, updates: list[dict[str, Any]], **position: Any) -> None:
        self.outbox.append(self.key, updates, **position)
        self.delivery.news.set()

    def _read(self, *, ended: bool) -> None:
        """Takes over what the training has written since the last look; all of it when it has ended."""
        while True:
            position = self.outbox.position(self.key)
            if position is None:
                return
            events = read_events(self.folder / "events.jsonl", position.events_offset)
            self._result = events.result or self._result
            if events.updates:
                self._last_step, self.last_step_at = time.monotonic(), events.updates[-1]["at"]
            if events.offset > position.events_offset:
                self._append(events.updates, events_offset=events.offset)
            more = self._read_log(position.log_offset, ended=ended)
            if not ended or (not more and events.offset == position.events_offset):
                return

    def _read_log(self, offset: int, *, ended: bool) -> bool:
        if not ended and time.monotonic() < self._next_log:
            return False
        piece = read_log(self.folder / "log.txt", offset, stamp(), ended=ended)
        if piece.update is None:
            return False
        self._next_log = time.monotonic() + LOG_SECONDS
        self._append([piece.update], log_offset=piece.offset)
        return True

    def _watch(self) -> None:
        """Time limit, grace after a stop, the memory counters while the process can still be asked."""
        pid = self.process.pid
        if pid is not None:
            seen = evidence.oom_kills(pid)
            self._oom_before = seen if self._oom_before is None else self._oom_before
            self._oom_now = seen if seen is not None else self._oom_now
        limit = self.spec.get("limits", {}).get("max_duration_s")
        if limit and self._kill_at is None and self._age() > limit:
            self.stop("timeout")
        if (self.folder / "killed_by").exists() and self._kill_at is None:
            # Asked before this agent was started: the stop is carried on.
            self.stop((self.folder / "killed_by").read_text().strip())
        if self._kill_at is not None and time.monotonic() > self._kill_at:
            self.process.send(signal.SIGKILL)

    def _age(self) -> float:
        """Seconds since the training was started."""
        return time.time() - (self.folder / "process.json").stat().st_mtime

    def stop(self, reason: str) -> None:
        """Asks the training to end for `reason` (cancel, timeout, shutdown); after the grace it is killed."""
        self.process.note_kill(reason)
        self._kill_at = time.monotonic() + GRACE_SECONDS
        self.process.send(signal.SIGTERM)

    def release(self) -> None:
        """The backend wants nothing more of the attempt: its training is killed, what it told is dropped."""
        self.delivery.final = True
        self.delivery.news.set()

    def _finish(self) -> None:
        """Stores the attempt's last update."""
        ended = evidence.read_json(self.folder / "exit.json") or {}
        at = str(ended.get("at") or stamp())
        killed = (self.folder / "killed_by").read_text().strip() if (self.folder / "killed_by").exists() else None
        # An agent that was killed after it had read the result finds it at the journal's end again.
        result = self._result or last_result(self.folder / "events.jsonl")
        if ended.get("exit_code") == 0 and result is not None:
            self._append([{"status": "succeeded", "at": at, "result": result}], ended=True)
            return
        found = evidence.collect(
            self.folder,
            oom_before=self._oom_before,
            oom_after=self._oom_now,
            step_age_s=round(time.monotonic() - self._last_step, 3),
        )
        if (ended.get("exit_code") == EXIT_CANCELLED and killed == "cancel") or (killed == "cancel" and ended.get("signal")):
            self._append([{"status": "cancelled", "at": at, "evidence": found}], ended=True)
            return
        error = evidence.claimed_error(self.folder)
        update = {"status": "failed", "at": at, "evidence": found}
        self._append([{**update, "error": error} if error else update], ended=True)

    def _fail(self, code: str, message: str) -> None:
        """Ends an attempt whose training could not be started."""
        error = {"type": None, "code": code, "message": message[:2000], "details": {}}
        found = {"disk_free_bytes": shutil.disk_usage(self.folder).free}
        self._append([{"status": "failed", "at": stamp(), "error": error, "evidence": found}], ended=True)

    async def _kill_rest(self) -> None:
        """Makes sure that nothing of the attempt runs any more."""
        self.process.note_kill("released")
        deadline = time.monotonic() + GRACE_SECONDS
        while self.process.alive() and time.monotonic() < deadline:
            self.process.send(signal.SIGKILL)
            await asyncio.sleep(POLL_SECONDS)


def load_spec(folder: Path) -> dict[str, Any] | None:
    """The assignment in an attempt's folder; None where it was never whole."""
    return evidence.read_json(folder / "spec.json")


def keep_spec(folder: Path, spec: dict[str, Any]) -> None:
    """Lays an assignment down, readable by this user only, for it holds a token."""
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / "spec.json.part"
    part.touch(mode=0o600)
    part.write_text(json.dumps(spec))
    part.replace(folder / "spec.json")
