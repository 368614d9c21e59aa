"""All attempts of one machine: taking, adopting, reporting, letting go."""

import asyncio
import contextlib
import fcntl
import os
import signal
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from trainers.agent import machine
from trainers.agent.backend import Backend, BackendAway, BackendRefuses
from trainers.agent.cgroup import Cgroups
from trainers.agent.ending import stamp
from trainers.agent.evidence import NO_ROOM
from trainers.agent.frameworks import Framework
from trainers.agent.outbox import Key, Outbox
from trainers.agent.problems import Problems
from trainers.agent.process import AttemptProcess
from trainers.agent.settings import AgentSettings
from trainers.agent.start import keep_spec, load_spec
from trainers.agent.supervisor import Supervisor, name_of, remove

MOST_BREAKS = 4
AGAIN_SECONDS = 1.0
LONGEST_PAUSE = 30.0
NOTICE_SECONDS = 1.0
SWEEP_SECONDS = 2.0
DELIVER_SECONDS = 5.0
"""After a stop of all trainings: what the agent waits for their last words to be delivered, beyond their grace."""


def log(line: str) -> None:
    """A line for whoever runs the agent."""
    sys.stderr.write(f"{stamp()} agent: {line}\n")
    sys.stderr.flush()


class Refused(Exception):
    """The agent does not take an attempt: HTTP status, code, message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


def claim(home: Path) -> int | None:
    """The lock of an agent's folder, held until this process ends; None where another agent works in it."""
    lock = os.open(home / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


class Agent:
    """All attempts of one machine."""

    def __init__(
        self,
        home: Path,
        backend: Backend,
        frameworks: list[Framework],
        slots: int,
        name: str,
        settings: AgentSettings,
        cgroups: Cgroups,
    ) -> None:
        self.home, self.backend, self.slots, self.name = home, backend, slots, name
        self.settings, self.cgroups = settings, cgroups
        self.frameworks = {framework.name: framework for framework in frameworks}
        self.outbox = Outbox(home / "outbox.db")
        self.supervisors: dict[Key, Supervisor] = {}
        self.tasks: dict[Key, asyncio.Task[None]] = {}
        self.url = ""
        self.draining = False
        self.failures = 0
        """How often supervision broke off and was begun again."""
        self.problems = Problems()
        self._news = asyncio.Event()
        self.id = self._identity()

    def _identity(self) -> str:
        """A name that stays the same when the agent is started again in this folder."""
        file = self.home / "agent-id"
        if not file.exists():
            file.write_text(f"{self.name}-{os.urandom(3).hex()}")
        return file.read_text().strip()

    def folder(self, key: Key) -> Path:
        """The folder of an attempt."""
        return self.home / "attempts" / key[0] / str(key[1])

    def _sweep(self) -> None:
        """Removes what an agent left that was killed just before it began a journal, or just after it closed it."""
        known = {self.folder(key) for key, _ in self.outbox.attempts()}
        for folder in (self.home / "attempts").glob("*/*"):
            if folder in known or not folder.name.isdecimal():
                continue
            key = (folder.parent.name, int(folder.name))
            log(f"{key[0]}/{key[1]}: has no journal, removed")
            AttemptProcess(folder).end(SWEEP_SECONDS)
            group = self.cgroups.find(name_of(key, folder))
            if group is not None:
                group.remove()
            remove(folder)

    def adopt(self) -> None:
        """Goes on with every attempt that an earlier agent left."""
        self._sweep()
        for key, position in self.outbox.attempts():
            spec = load_spec(self.folder(key))
            framework = self.frameworks.get(str((spec or {}).get("framework")))
            if spec is None or framework is None:
                log(f"{key[0]}/{key[1]}: its assignment or trainer is gone, dropped")
                AttemptProcess(self.folder(key)).send(signal.SIGKILL)
                self.outbox.close_attempt(key)
                continue
            log(f"{key[0]}/{key[1]}: adopted at update {position.next_seq - 1}")
            self._supervise(key, spec, framework)

    def _supervise(self, key: Key, spec: dict[str, Any], framework: Framework) -> None:
        self.supervisors[key] = self._supervisor(key, spec, framework)
        task = asyncio.create_task(self._hold(key, spec, framework), name=f"attempt {key[0]}/{key[1]}")
        self.tasks[key] = task
        task.add_done_callback(lambda _: self._forget(key))

    def _supervisor(self, key: Key, spec: dict[str, Any], framework: Framework) -> Supervisor:
        cache = self.home / "cache" / "datasets"
        return Supervisor(
            self.folder(key), spec, framework, self.backend, self.outbox, cache, log, self.settings, self.cgroups
        )

    async def _hold(self, key: Key, spec: dict[str, Any], framework: Framework) -> None:
        """Supervises an attempt to its end. Supervision that breaks off (a full disk, a bug) begins again: a training
        that nobody watches any more would be the one failure that is never told. One that cannot even be started is over
        after `MOST_BREAKS` times."""
        pause, breaks = AGAIN_SECONDS, 0
        while True:
            try:
                await self.supervisors[key].run()
                return
            except Exception as error:  # noqa: BLE001 - whatever it is, the attempt must not be left alone
                self.failures, breaks = self.failures + 1, breaks + 1
                if breaks == MOST_BREAKS:
                    self.supervisors[key].give_up(error)
                self.problems.note(error, key)
                self._news.set()
                log(f"{key[0]}/{key[1]}: supervision broke off, again in {pause:g} s: {error!r}")
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
            self.supervisors[key] = self._supervisor(key, spec, framework)

    def _forget(self, key: Key) -> None:
        self.supervisors.pop(key, None)
        self.tasks.pop(key, None)
        self._news.set()

    def take(self, spec: dict[str, Any]) -> bool:
        """Takes an attempt; False where it is here already.

        Raises:
            Refused: DEPENDENCY_ERROR, DISK_FULL, or CONFLICT where no slot is free.
        """
        key = (str(spec["job_id"]), int(spec["attempt"]))
        if key in self.supervisors:
            return False
        framework = self.frameworks.get(str(spec["framework"]))
        if framework is None or not framework.available:
            reason = framework.descriptor.get("reason") if framework else "no such trainer here"
            raise Refused(422, "DEPENDENCY_ERROR", f"{spec['framework']}: {reason}")
        if self.draining:
            raise Refused(409, "CONFLICT", "the agent takes no more trainings")
        if sum(supervisor.busy for supervisor in self.supervisors.values()) >= self.slots:
            raise Refused(409, "CONFLICT", "no free slot")
        try:
            keep_spec(self.folder(key), spec)
        except OSError as error:
            code = "DISK_FULL" if error.errno in NO_ROOM else "SYSTEM_ERROR"
            raise Refused(422, code, f"the assignment cannot be stored: {error}") from error
        self.outbox.open(key)
        self._supervise(key, spec, framework)
        return True

    async def accept(self, spec: dict[str, Any]) -> bool:
        """Takes an attempt as `take` does."""
        return self.take(spec)

    def held(self) -> list[dict[str, Any]]:
        """The attempts that are here."""
        return [
            {"job_id": key[0], "attempt": key[1], "busy": held.busy, "pid": held.process.pid}
            for key, held in self.supervisors.items()
        ]

    async def stop(self, key: Key, reason: str) -> bool:
        """Stops an attempt; False where it is not here."""
        if key in self.supervisors:
            self.supervisors[key].stop(reason)
        return key in self.supervisors

    def begin(self) -> list[asyncio.Task[None]]:
        """Goes on with what an earlier agent left, begins to report and to watch for notices."""
        self.adopt()
        return [asyncio.create_task(self.report()), asyncio.create_task(self.watch_notice())]

    async def report(self) -> None:
        """Reports to the backend for ever: at every heartbeat, at once when something changed, sooner after a failure."""
        while True:
            wait = self.settings.heartbeat
            self._news.clear()
            told = self.problems.waiting()
            try:
                for key in await self.backend.report(self.id, {**self.description(), "problems": told}):
                    if key in self.supervisors:
                        log(f"{key[0]}/{key[1]}: released")
                        self.supervisors[key].release()
                self.problems.told(told)
                for supervisor in self.supervisors.values():
                    supervisor.delivery.backend_is_back()
            except (BackendAway, BackendRefuses) as error:
                log(f"report not delivered: {error}")
                asked = error.wait if isinstance(error, BackendAway) else 0.0
                await asyncio.sleep(max(min(AGAIN_SECONDS, wait), asked))
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._news.wait()

    def description(self) -> dict[str, Any]:
        """What the agent tells of itself."""
        return {
            "name": self.name,
            "url": self.url,
            "slots": 0 if self.draining else self.slots,
            "frameworks": [framework.descriptor for framework in self.frameworks.values()],
            "resources": machine.resources(self.home, self.settings, self.cgroups),
            "version": version("vtp"),
            "attempts": [
                {
                    "job_id": key[0],
                    "attempt": key[1],
                    "last_step_at": supervisor.watch.last_at,
                    "last_heartbeat_at": stamp(),
                }
                for key, supervisor in self.supervisors.items()
            ],
        }

    def drain(self, *, stop: bool, notice: str | None = None) -> None:
        """Takes no more attempts. `stop`: those that run are stopped (with a checkpoint where the framework can) and go on
        elsewhere; `notice` says how the end of the machine was announced."""
        self.draining = True
        self._news.set()
        if stop:
            for supervisor in self.supervisors.values():
                if supervisor.busy and supervisor.process.killed_by is None:
                    supervisor.stop("shutdown", notice=notice)

    async def watch_notice(self) -> None:
        """Stops everything as soon as the notice file appears: the machine is about to be taken away."""
        file = self.settings.notice_file
        while file is not None:
            if file.exists():
                log(f"notice: {file} has appeared, trainings are stopped")
                self.drain(stop=True, notice=f"notice file {file.name}")
                return
            await asyncio.sleep(NOTICE_SECONDS)

    async def close_after(self, tasks: list[asyncio.Task[None]], *, stop_trainings: bool) -> None:
        """Ends the agent as `close` does; `tasks` (reporting, watching for notices) end after the trainings have."""
        try:
            await self._stop_all(stop_trainings=stop_trainings)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.close()

    async def _stop_all(self, *, stop_trainings: bool) -> None:
        if stop_trainings and self.tasks:
            self.drain(stop=True, notice="SIGTERM to the agent")
            await asyncio.wait(self.tasks.values(), timeout=self.settings.grace + DELIVER_SECONDS)

    async def close(self) -> None:
        """Ends the agent. Trainings that run go on and are adopted by the next one."""
        for task in list(self.tasks.values()):
            task.cancel()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)
        await self.backend.close()
        self.outbox.close()
