"""Supervises one attempt from its assignment to the delivery of its last word."""

import asyncio
import contextlib
import hashlib
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from trainers.agent import evidence, spans, start
from trainers.agent.backend import Backend, BackendAway
from trainers.agent.cgroup import Cgroups
from trainers.agent.delivery import Delivery, back_off
from trainers.agent.ending import TOLD_KILLS, last_update, not_started, stamp
from trainers.agent.frameworks import Framework
from trainers.agent.hang import keep_hang
from trainers.agent.journal import last_result, read_events, read_log
from trainers.agent.memory import MemoryWitness
from trainers.agent.outbox import Key, Outbox
from trainers.agent.process import AttemptProcess
from trainers.agent.settings import AgentSettings
from trainers.agent.watch import HangLimits, StepWatch

LOG_SECONDS = 0.25
LATE_SECONDS = 1.0
"""A look that comes later than this after the last one counts as this late: a machine that slept was not watching."""


def name_of(key: Key, folder: Path) -> str:
    """An attempt's name on a machine where several platforms may have a job of the same number."""
    place = hashlib.sha256(str(folder).encode()).hexdigest()[:8]
    return f"{key[0]}-{key[1]}-{place}"


def remove(folder: Path) -> None:
    """Removes the folder of an attempt, and that of its job where it was the last one."""
    shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):
        folder.parent.rmdir()


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
        settings: AgentSettings,
        cgroups: Cgroups,
    ) -> None:
        self.folder, self.spec, self.framework = folder, spec, framework
        self.backend, self.outbox, self.cache, self._log = backend, outbox, cache, log
        self.settings, self.cgroups = settings, cgroups
        self.key: Key = (str(spec["job_id"]), int(spec["attempt"]))
        self.process = AttemptProcess(folder)
        self.delivery = Delivery(backend, outbox, self.key, spec, folder, log=log)
        limits = spec.get("limits") or {}
        self.max_duration_s: float | None = limits.get("max_duration_s")
        self.memory_limit: int | None = limits.get("memory_bytes") or settings.memory_limit
        self.watch = StepWatch(HangLimits(**limits["hang"]) if limits.get("hang") else settings.hang)
        self.memory = MemoryWitness(folder, cgroups, self.name)
        self._idle_s = 0.0
        self._looked = time.monotonic()
        self._kill_at: float | None = None
        self._next_log = 0.0
        self._result: dict[str, Any] | None = None

    @property
    def name(self) -> str:
        """The attempt's name on this machine."""
        return name_of(self.key, self.folder)

    @property
    def busy(self) -> bool:
        """Whether the attempt takes a slot: its training has not ended."""
        position = self.outbox.position(self.key)
        return position is not None and not position.ended

    def log(self, line: str) -> None:
        """A line for whoever runs the agent."""
        self._log(f"{self.key[0]}/{self.key[1]}: {line}")

    async def run(self) -> None:
        """Carries the attempt through; afterwards nothing of it is left on this machine but the data set."""
        facts: dict[str, str | int] = {"vtp.job": self.key[0], "vtp.attempt": self.key[1]}
        with spans.span("attempt", self.spec.get("traceparent") or "", facts):
            await self._run()

    async def _run(self) -> None:
        delivering = asyncio.create_task(self.delivery.run())
        try:
            await self._supervise(delivering)
            await delivering
        finally:
            delivering.cancel()
        await self._kill_rest()
        self.outbox.close_attempt(self.key)
        await asyncio.to_thread(remove, self.folder)

    async def _supervise(self, delivering: asyncio.Task[None]) -> None:
        if not self.busy:
            return
        if not self.process.started() and not await self._prepare(delivering):
            return
        self._recall()
        while not (self.delivery.final or delivering.done()):
            ended = self.process.ended()
            if ended:
                # What a training leaves behind would hold the device's memory, and go on writing.
                self.process.send(signal.SIGKILL)
            self._read(ended=ended)
            if ended:
                self._finish()
                return
            await self._watch()
            await asyncio.sleep(self.settings.poll)

    def _recall(self) -> None:
        """Learns again what an earlier agent knew of the training's pace."""
        position = self.outbox.position(self.key)
        offset, known = 0, position.events_offset if position else 0
        while offset < known:
            events = read_events(self.folder / "events.jsonl", offset)
            if events.offset == offset:
                break
            self.watch.feed(events.updates)
            offset = events.offset
        since = self.process.age() if self.watch.last_s is None else time.time() - self.watch.last_s
        self._idle_s = max(0.0, min(since, self.process.age()))
        self._looked = time.monotonic()

    async def _prepare(self, delivering: asyncio.Task[None]) -> bool:
        """Brings data and starts the training; False where that failed or is no longer wanted."""
        failures = 0
        while not (self.delivery.final or delivering.done()):
            reason = self.process.killed_by
            if reason is not None and not self.process.shim_alive():
                self._append([self._never_ran(reason)], ended=True)
                return False
            try:
                if await self._start():
                    return True
            except BackendAway as error:
                failures += 1
                self.log(f"waiting for the backend: {error}")
                await self.delivery.pause(back_off(failures, self.delivery.rng))
            except start.NotStarted as error:
                self._append([not_started(self.folder, error.code, str(error))], ended=True)
                return False
        return False

    def give_up(self, error: Exception) -> None:
        """Ends an attempt whose training never ran since this agent fails at starting it, again and again."""
        if self.busy and not self.process.started():
            self._append([not_started(self.folder, "SYSTEM_ERROR", f"the agent cannot start it: {error!r}")], ended=True)

    def _never_ran(self, reason: str) -> dict[str, Any]:
        if reason == "cancel":
            return {"status": "cancelled", "at": stamp()}
        told = reason if reason in TOLD_KILLS else None
        return {"status": "failed", "at": stamp(), "evidence": {"killed_by": told, **self._notice()}}

    async def _start(self) -> bool:
        """Starts the training; False where it was stopped before it ran."""
        if self.outbox.position(self.key).next_seq == 1:  # type: ignore[union-attr] - busy attempts have one
            self._append([{"status": "running", "at": stamp(), "phase": "data"}])
        with spans.span("fetch data"):
            paths = await start.paths_of(self.backend, self.spec, self.folder, self.cache)
        if self.process.killed_by is not None:
            # A shim that an earlier agent started may still be about to start it.
            await asyncio.sleep(self.settings.poll)
            return self.process.started()
        group, confined = start.confine(self.name, self.memory_limit, self.cgroups)
        self.memory.begin(group, self.memory_limit)
        await start.launch(self.process, self.framework, start.variables_of(self.folder, paths, confined))
        self._append([{"status": "running", "at": stamp(), "phase": "starting"}])
        return True

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
                self.watch.feed(events.updates)
                self._idle_s = 0.0
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

    async def _watch(self) -> None:
        """Time limit, hang, grace after a stop, the memory counters while the process can still be asked."""
        now = time.monotonic()
        self._idle_s += min(now - self._looked, LATE_SECONDS)
        self._looked = now
        self.memory.look(self.process.pid)
        reason = self.process.killed_by
        if reason is not None:
            # Also one that was asked for before this agent was started.
            self._carry_on_stop(reason, now)
        elif self.max_duration_s and self.process.age() > self.max_duration_s:
            self.stop("timeout")
        elif self._idle_s > self.watch.limit():
            await self._give_up_hung()

    def _carry_on_stop(self, reason: str, now: float) -> None:
        if self._kill_at is None:
            self.stop(reason)
        elif now > self._kill_at:
            self.process.send(signal.SIGKILL)

    async def _give_up_hung(self) -> None:
        """Keeps what a training that no longer gets on is doing, and kills it."""
        self.log(f"hung: no step for {self._idle_s:.1f} s (limit {self.watch.limit():.1f} s)")
        await keep_hang(self.process, self._idle_s, self.watch.limit(), self.settings.poll)
        self.stop("hang")

    def stop(self, reason: str, *, notice: str | None = None) -> None:
        """Asks the training to end for `reason` (cancel, timeout, shutdown, hang); after the grace it is killed.

        Only its first process is asked: workers that died at once would fail the checkpoint that it may write. A hung one
        is not asked. `notice` says how the machine was announced to be taken away.
        """
        if notice is not None:
            (self.folder / "notice").write_text(notice)
        self.process.note_kill(reason)
        self._kill_at = time.monotonic() + (0.0 if reason == "hang" else self.settings.grace)
        if reason == "hang":
            self.process.send(signal.SIGKILL)
        else:
            self.process.send(signal.SIGTERM, leader_only=True)

    def release(self) -> None:
        """The backend wants nothing more of the attempt: its training is killed, what it told is dropped."""
        self.delivery.final = True
        self.delivery.news.set()

    def _notice(self) -> dict[str, Any]:
        notice = self.folder / "notice"
        return {"preemption_notice": True, "preemption_by": notice.read_text()} if notice.exists() else {}

    def _finish(self) -> None:
        """Stores the attempt's last update."""
        # An agent that was killed after it had read the result finds it at the journal's end again.
        result = self._result or last_result(self.folder / "events.jsonl")
        reason = self.process.killed_by
        outside = {
            "killed_by": reason if reason in TOLD_KILLS else None,
            "step_age_s": round(self._idle_s, 3),
            "process_heartbeat_age_s": evidence.heartbeat_age(self.folder, time.time()),
            **self.memory.facts(self.process.record),
            **self._notice(),
        }
        update = last_update(self.process, result, outside)
        facts = {"vtp.framework": self.framework.name, "process.pid": self.process.pid or 0}
        spans.export_process(self.folder, self.process.exit_facts(), facts)
        self._append([update], ended=True)

    async def _kill_rest(self) -> None:
        """Makes sure that nothing of the attempt runs any more."""
        self.process.note_kill("released")
        deadline = time.monotonic() + self.settings.grace
        while self.process.shim_alive() and time.monotonic() < deadline:
            self.process.send(signal.SIGKILL)
            await asyncio.sleep(self.settings.poll)
        self.process.send(signal.SIGKILL)
        if not await asyncio.to_thread(self.memory.end):
            self.log("its control group could not be removed")
