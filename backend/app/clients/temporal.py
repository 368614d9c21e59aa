"""Temporal: starting and waking workflows, and the worker that carries them out. What the SDK raises ends here.

One layer tries again. Calls made here are protected by the policy `temporal`, so the SDK's own tries are off. What the
worker tells the server of finished steps goes through the SDK alone, so there the SDK tries again, as the policy has it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any

from temporalio.api.enums.v1 import ResourceExhaustedCause
from temporalio.api.errordetails.v1 import ResourceExhaustedFailure
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, GetSystemInfoRequest
from temporalio.client import Client, RPCTimeoutOrCancelledError
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.runtime import LogForwardingConfig, LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter
from temporalio.service import RetryConfig, RPCError, RPCStatusCode
from temporalio.worker import Worker

from app.core.circuit_breaker import CircuitBreaker
from app.core.errors import CircuitOpenError, NetworkError, PlatformError
from app.core.guard import guarded
from app.core.policies import TEMPORAL
from app.core.retry import protect
from app.core.timing import within

RPC_SECONDS = 5.0
CONNECT_SECONDS = 2.0
STOP_SECONDS = 5.0
STICKY_SECONDS = 2.0
"""How long a workflow waits for the backend that has it in memory before another one takes it up."""
MOST_LISTED = 1000
ONE_TRY = RetryConfig(max_retries=1)
"""The SDK counts tries here, and takes 0 for its own default."""
AS_POLICY = RetryConfig(
    initial_interval_millis=round(TEMPORAL.first_wait * 1000),
    multiplier=2.0,
    max_interval_millis=round(TEMPORAL.longest_wait * 1000),
    max_elapsed_time_millis=None,
    max_retries=TEMPORAL.attempts,
)
Call = Callable[[Client], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Place:
    """Where the server is, and what of it is ours: all backends of a platform share the queue, and no other has it."""

    address: str
    namespace: str = "default"
    queue: str = "vtp"
    api_key: str | None = None
    tls: bool | None = None


@cache
def _runtime() -> Runtime:
    """The SDK's engine in this process; what it logs goes where all libraries' lines go."""
    forwarding = LogForwardingConfig(logger=logging.getLogger("temporalio.core"))
    lines = LoggingConfig(filter=TelemetryFilter(core_level="ERROR", other_level="ERROR"), forwarding=forwarding)
    return Runtime(telemetry=TelemetryConfig(logging=lines))


class TemporalClient:
    """Workflows on one server, one a job, named by it: starting one that runs is the same as waking it."""

    def __init__(self, place: Place, breaker: CircuitBreaker | None = None) -> None:
        self.place = place
        self.breaker = breaker or TEMPORAL.breaker()
        self._connection: Client | None = None
        self._protected = protect(TEMPORAL, breaker=self.breaker)(self._once)
        self._guarded = guarded(self.breaker, self._once)

    def workflow_id(self, job_id: str) -> str:
        """The name of a job's workflow; two platforms in one namespace have queues, and so names, of their own."""
        return f"{self.place.queue}:{job_id}"

    async def start(self, workflow: str, job_id: str, *more: Any, signal: str, again: bool) -> None:
        """Starts a job's workflow, or sends `signal` to the one that runs. `again`: tries as often as the policy says.

        Raises:
            PlatformError: TEMPORAL_ERROR.
        """

        async def call(client: Client) -> None:
            with _busy_is_fine():
                await client.start_workflow(
                    workflow,
                    args=[job_id, *more],
                    id=self.workflow_id(job_id),
                    task_queue=self.place.queue,
                    id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                    start_signal=signal,
                    rpc_timeout=_rpc(),
                )

        await self._call(call, again=again)

    async def signal(self, job_id: str, signal: str) -> None:
        """Sends `signal` to a job's workflow, where one runs.

        Raises:
            PlatformError: TEMPORAL_ERROR.
        """

        async def call(client: Client) -> None:
            try:
                with _busy_is_fine():
                    await client.get_workflow_handle(self.workflow_id(job_id)).signal(signal, rpc_timeout=_rpc())
            except RPCError as error:
                if error.status != RPCStatusCode.NOT_FOUND:
                    raise

        await self._call(call, again=False)

    async def asked(self, job_id: str, update: str, seconds: float) -> Any:
        """What a job's workflow answers to `update` in at most `seconds`; None where it does not.

        Raises:
            PlatformError: TEMPORAL_ERROR.
        """

        async def call(client: Client) -> Any:
            handle = client.get_workflow_handle(self.workflow_id(job_id))
            try:
                return await handle.execute_update(update, rpc_timeout=timedelta(seconds=seconds))
            except RPCTimeoutOrCancelledError:
                return None

        return await self._call(call, again=False, seconds=seconds + RPC_SECONDS)

    async def running(self) -> set[str]:
        """Ids of the jobs whose workflow runs, as far as the server's index knows already.

        Raises:
            PlatformError: TEMPORAL_ERROR.
        """
        query, prefix = f'TaskQueue = "{self.place.queue}" AND ExecutionStatus = "Running"', self.workflow_id("")

        async def call(client: Client) -> set[str]:
            found = client.list_workflows(query, page_size=MOST_LISTED, rpc_timeout=_rpc())
            return {row.id.removeprefix(prefix) async for row in found if row.id.startswith(prefix)}

        known: set[str] = await self._call(call, again=False, seconds=4 * RPC_SECONDS)
        return known

    async def version(self) -> str:
        """The version of a server that answers and knows our namespace; asked beside the breaker, and closes it.

        Raises:
            PlatformError: TEMPORAL_ERROR.
        """

        async def call(client: Client) -> str:
            service, wait = client.workflow_service, _rpc(CONNECT_SECONDS)
            await service.describe_namespace(DescribeNamespaceRequest(namespace=self.place.namespace), timeout=wait)
            return str((await service.get_system_info(GetSystemInfoRequest(), timeout=wait)).server_version)

        try:
            told: str = await self._once(call, CONNECT_SECONDS)
        except Exception as error:
            raise _told(error) from error
        if self.breaker.state != "CLOSED" and not self.breaker.isolated:
            self.breaker.reset()
        return told

    async def work(self, workflows: Sequence[type], activities: Sequence[Callable[..., Any]], at_once: int) -> None:
        """Carries out what is on our queue, up to `at_once` steps beside each other, until it is cancelled; then it has
        `STOP_SECONDS` to tell the server.

        Raises:
            PlatformError: TEMPORAL_ERROR: it could not begin, or had to end.
        """
        try:
            async with asyncio.timeout(RPC_SECONDS):
                client = await self._connect(AS_POLICY, lazy=False)
            worker = Worker(
                client,
                task_queue=self.place.queue,
                workflows=workflows,
                activities=activities,
                max_concurrent_activities=at_once,
                sticky_queue_schedule_to_start_timeout=timedelta(seconds=STICKY_SECONDS),
            )
            await _until_cancelled(worker)
        except Exception as error:
            raise _told(error) from error

    async def _call(self, call: Call, *, again: bool, seconds: float | None = None) -> Any:
        try:
            return await (self._protected if again else self._guarded)(call, seconds or RPC_SECONDS)
        except Exception as error:
            raise _told(error) from error

    async def _once(self, call: Call, seconds: float) -> Any:
        if self._connection is None:
            self._connection = await self._connect(ONE_TRY, lazy=True)
        try:
            async with asyncio.timeout(within(seconds)):
                return await call(self._connection)
        except RuntimeError as error:
            # This is what the SDK makes of a connection that it cannot open.
            raise NetworkError("temporal", error) from error

    async def _connect(self, tries: RetryConfig, *, lazy: bool) -> Client:
        return await Client.connect(
            self.place.address,
            namespace=self.place.namespace,
            api_key=self.place.api_key,
            tls=self.place.tls,
            retry_config=tries,
            connect_timeout=timedelta(seconds=CONNECT_SECONDS),
            lazy=lazy,
            runtime=_runtime(),
        )


@contextmanager
def _busy_is_fine() -> Iterator[None]:
    """A workflow that can take nothing just now, as it is ending or beginning its next run, is awake already."""
    try:
        yield
    except RPCError as error:
        found = ResourceExhaustedFailure()
        told = any(detail.Unpack(found) for detail in error.grpc_status.details)
        busy = told and found.cause == ResourceExhaustedCause.RESOURCE_EXHAUSTED_CAUSE_BUSY_WORKFLOW
        if not busy and "workflow is closing" not in error.message:
            raise


async def _until_cancelled(worker: Worker) -> None:
    running = asyncio.create_task(worker.run(), name="temporal worker")
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                await worker.shutdown()
        running.cancel()
        raise


def _rpc(seconds: float | None = None) -> timedelta:
    return timedelta(seconds=within(seconds or RPC_SECONDS))


def _told(error: Exception) -> PlatformError:
    """Whatever went wrong between us and the server is one thing to users: jobs cannot be driven now."""
    wait = error.retry_after if isinstance(error, CircuitOpenError) else TEMPORAL.first_wait
    return PlatformError.from_code("TEMPORAL_ERROR", {"retry_after": wait}, cause=error)
