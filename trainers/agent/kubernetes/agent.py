"""The agent of a node pool: makes a Job of each attempt, watches Jobs and pods, and tells what a pod could not tell itself.

It keeps nothing: which attempts there are stands in the cluster, so it may be killed and started again at any moment.
"""

import asyncio
import contextlib
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from trainers.agent.agent import AGAIN_SECONDS, Refused, log
from trainers.agent.backend import Backend, BackendAway, BackendRefuses
from trainers.agent.ending import stamp
from trainers.agent.frameworks import Framework
from trainers.agent.kubernetes import ending, manifest
from trainers.agent.kubernetes.api import Cluster, ClusterAway, ClusterRefuses
from trainers.agent.outbox import Key
from trainers.agent.settings import AgentSettings

LOOK_SECONDS = 2.0


class KubernetesAgent:
    """All attempts of one node pool: the same intake and the same reports as an agent of a machine."""

    def __init__(
        self,
        cluster: Cluster,
        template: dict[str, Any],
        backend: Backend,
        frameworks: list[Framework],
        slots: int,
        name: str,
        settings: AgentSettings,
    ) -> None:
        self.cluster, self.template, self.backend, self.slots, self.name = cluster, template, backend, slots, name
        self.settings = settings
        self.frameworks = {framework.name: framework for framework in frameworks}
        self.id = f"k8s-{cluster.access.namespace}-{name}"
        self.url = ""
        self.draining = False
        self.failures = 0
        """How often the cluster did not answer a look."""
        self.resources = manifest.resources(template)
        self._held: set[Key] = set()
        self._looked = False
        self._news = asyncio.Event()

    @property
    def selector(self) -> str:
        """What this agent's Jobs and pods are found by."""
        return f"{manifest.LABEL_AGENT}={self.id}"

    def held(self) -> list[dict[str, Any]]:
        """The attempts that the cluster has."""
        return [{"job_id": key[0], "attempt": key[1], "busy": True, "pid": None} for key in sorted(self._held)]

    async def accept(self, spec: dict[str, Any]) -> bool:
        """Makes a Job of an attempt; False where there is one already.

        Raises:
            Refused: DEPENDENCY_ERROR, CONFLICT where no slot is free, SERVICE_UNAVAILABLE where the cluster does not answer.
        """
        key: Key = (str(spec["job_id"]), int(spec["attempt"]))
        framework = self.frameworks.get(str(spec["framework"]))
        if framework is None or not framework.available:
            raise Refused(422, "DEPENDENCY_ERROR", f"{spec['framework']}: no such trainer in the image")
        if key in self._held:
            return False
        if self.draining or len(self._held) >= self.slots:
            raise Refused(409, "CONFLICT", "no free slot")
        self._held.add(key)
        try:
            await self._create(key, spec)
        except ClusterAway as error:
            self._held.discard(key)
            raise Refused(503, "SERVICE_UNAVAILABLE", f"the cluster does not answer: {error}") from error
        except ClusterRefuses as error:
            self._held.discard(key)
            # A quota that is used up passes; a manifest or a permission that is wrong does not.
            full = "exceeded quota" in str(error)
            code, status = ("CONFLICT", 409) if full else ("DEPENDENCY_ERROR", 422)
            raise Refused(status, code, f"the cluster refuses: {error}") from error
        return True

    async def _create(self, key: Key, spec: dict[str, Any]) -> None:
        job = manifest.job(key, spec, self.template, self.id, self.backend.url)
        made = await self.cluster.create_job(job)
        # Its pod waits for the Secret, which goes with the Job that owns it.
        await self.cluster.create_secret(manifest.secret(spec, made))
        log(f"{key[0]}/{key[1]}: Job {made['metadata']['name']}")

    async def stop(self, key: Key, reason: str) -> bool:
        """Deletes an attempt's Job: its pod is asked to end and writes a checkpoint. False where it is not here."""
        if key not in self._held:
            return False
        log(f"{key[0]}/{key[1]}: {reason}, Job deleted")
        await self._delete(key)
        return True

    async def _delete(self, key: Key) -> None:
        with contextlib.suppress(ClusterAway):
            # The backend asks again as long as the attempt is reported.
            await self.cluster.delete_job(manifest.name_of(key, self.backend.url))

    def drain(self, *, stop: bool, notice: str | None = None) -> None:
        """Takes no more attempts; with `stop` those that run go on elsewhere."""
        self.draining = True
        self._news.set()
        if stop:
            log(f"drained: {notice or 'asked to stop all trainings'}")
            self._stopping = asyncio.gather(*(self._delete(key) for key in self._held))

    async def watch(self) -> None:
        """Looks at the cluster for ever."""
        while True:
            try:
                await self.look()
            except (ClusterAway, ClusterRefuses) as error:
                self.failures += 1
                log(f"the cluster does not answer: {error}")
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """One look: reads the ends of Jobs, and which attempts there are.

        Raises:
            ClusterAway, ClusterRefuses: as they say.
        """
        jobs, pods = await self.cluster.jobs(self.selector), await self.cluster.pods(self.selector)
        of = {manifest.key_of(pod): pod for pod in pods}
        for job in jobs:
            key = manifest.key_of(job)
            if ending.condition(job, "Complete"):
                await self.cluster.delete_job(job["metadata"]["name"])
            elif ending.finished(job):
                await self._tell(job, of.get(key), ending.evidence(job, of.get(key)))
            elif key in of and (why := ending.stuck(of[key], datetime.now(UTC))) is not None:
                await self._tell(job, of[key], why)
        # One whose end could not be told yet is still here, or it would count as lost.
        held = {manifest.key_of(job) for job in jobs} | set(of)
        if held != self._held:
            self._held = held
            self._news.set()
        self._looked = True

    async def _tell(self, job: dict[str, Any], pod: dict[str, Any] | None, found: dict[str, Any]) -> None:
        """Tells the backend how an attempt ended, unless its own pod has done it; then the Job is read and goes."""
        name = job["metadata"]["name"]
        secret = await self.cluster.secret(name)
        if secret is not None:
            spec, error = manifest.spec_in(secret), found.pop("error", None)
            if pod is not None and found.get("exit_code"):
                found["log"] = await self.cluster.log(pod["metadata"]["name"])
            update = {"status": "failed", "at": stamp(), "evidence": found, **({"error": error} if error else {})}
            try:
                await self.backend.post(spec["callback_url"], spec["token"], [update])
            except BackendAway as away:
                log(f"{name}: its end is not delivered yet: {away}")
                return
            except BackendRefuses as refusal:
                log(f"{name}: nobody wants to hear of its end: {refusal}")
        await self.cluster.delete_job(name)

    async def report(self) -> None:
        """Reports to the backend for ever: at every heartbeat, at once when something changed."""
        while True:
            wait = self.settings.heartbeat
            self._news.clear()
            try:
                # Before the first look nobody knows what is there, and what is not reported counts as silent.
                if self._looked:
                    for key in await self.backend.report(self.id, self.description()):
                        await self._delete(key)
            except (BackendAway, BackendRefuses, ClusterRefuses) as error:
                log(f"report not delivered: {error}")
                wait = min(AGAIN_SECONDS, wait)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._news.wait()

    def description(self) -> dict[str, Any]:
        """What the agent tells of its node pool."""
        return {
            "name": self.name,
            "url": self.url,
            "slots": 0 if self.draining else self.slots,
            "frameworks": [framework.descriptor for framework in self.frameworks.values()],
            "resources": {
                **self.resources,
                "platform": f"Kubernetes, namespace {self.cluster.access.namespace}",
                "labels": dict(self.settings.labels),
            },
            "version": version("vtp"),
            "attempts": [
                {"job_id": key[0], "attempt": key[1], "last_step_at": None, "last_heartbeat_at": stamp()}
                for key in sorted(self._held)
            ],
        }

    def begin(self) -> list[asyncio.Task[None]]:
        """Begins to watch and to report."""
        return [asyncio.create_task(self.watch()), asyncio.create_task(self.report())]

    async def close_after(self, tasks: list[asyncio.Task[None]], *, stop_trainings: bool) -> None:
        """Ends the agent; Jobs go on, unless all are to be stopped."""
        if stop_trainings:
            self.drain(stop=True)
            await self._stopping
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.backend.close()
        await self.cluster.close()
