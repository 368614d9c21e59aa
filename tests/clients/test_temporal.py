"""Calls to Temporal: one layer tries again, whatever fails is one code, and a server that answers is back."""

import logging
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from google.protobuf import any_pb2
from temporalio.api.common.v1 import GrpcStatus
from temporalio.api.errordetails.v1 import ResourceExhaustedFailure
from temporalio.service import RPCError, RPCStatusCode

from app.clients import temporal
from app.clients.temporal import AS_POLICY, Place, TemporalClient
from app.core import logging as ours
from app.core.errors import CircuitOpenError, NetworkError, PlatformError
from app.core.policies import TEMPORAL
from app.core.timing import TestTiming, deadline
from app.workflows.temporal_workflow import TrainingJob
from tests.core.servers import Temporal
from tests.integration.proxy import FaultProxy
from tests.integration.servers import new_queue

NAME = "nobody-carries-this-out"


@pytest.fixture
def way(temporal: Temporal, proxied: Callable[[int], FaultProxy]) -> FaultProxy:
    return proxied(temporal.port)


@pytest.fixture
def client(way: FaultProxy) -> TemporalClient:
    return TemporalClient(Place(f"127.0.0.1:{way.port}", queue=new_queue()))


async def fails(client: TemporalClient, *, again: bool) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        await client.start(NAME, "J-1", signal="news", again=again)
    assert caught.value.code == "TEMPORAL_ERROR"
    return caught.value


async def test_starting_twice_is_one_workflow(client: TemporalClient) -> None:
    for _ in range(2):
        await client.start(NAME, "J-1", signal="news", again=False)
    assert await client.running() in (set(), {"J-1"}), "the server's index may be late"
    handle = client._connection.get_workflow_handle(client.workflow_id("J-1"))  # type: ignore[union-attr]
    events = [event.event_type async for event in handle.fetch_history_events()]
    assert (events[0], len(events)) == (1, 4), "started once, two signals, one task for a worker"


async def test_two_platforms_in_one_namespace_do_not_meet(way: FaultProxy, client: TemporalClient) -> None:
    other = TemporalClient(Place(f"127.0.0.1:{way.port}", queue=new_queue()))
    await client.start(NAME, "J-1", signal="news", again=False)
    assert other.workflow_id("J-1") != client.workflow_id("J-1")
    await other.signal("J-1", "news")
    assert "J-1" not in await other.running()


async def test_a_call_on_a_connection_that_broke_is_tried_once_where_nobody_asked_for_more(
    client: TemporalClient, way: FaultProxy
) -> None:
    """The SDK alone would try ten times, for seconds."""
    await client.start(NAME, "J-1", signal="news", again=False)
    way.refuse()
    began = time.monotonic()
    error = await fails(client, again=False)
    assert time.monotonic() - began < 1
    assert isinstance(error.__cause__, RPCError)
    assert client.breaker.failure_count == 1


async def test_a_call_is_tried_as_often_as_the_policy_says(
    client: TemporalClient, way: FaultProxy, no_waiting: TestTiming
) -> None:
    way.refuse()
    error = await fails(client, again=True)
    assert isinstance(error.__cause__, NetworkError)
    assert len(no_waiting.waits) == TEMPORAL.attempts - 1
    assert all(TEMPORAL.first_wait <= wait <= TEMPORAL.longest_wait for wait in no_waiting.waits)
    assert error.retry_after == TEMPORAL.first_wait


async def test_no_try_begins_that_the_caller_would_not_wait_for(
    client: TemporalClient, way: FaultProxy, no_waiting: TestTiming
) -> None:
    way.refuse()
    with deadline(4.0):
        await fails(client, again=True)
    assert no_waiting.waits == []


async def test_an_open_breaker_asks_nobody_and_says_for_how_long(client: TemporalClient, way: FaultProxy) -> None:
    way.refuse()
    await fails(client, again=True)
    assert client.breaker.state == "OPEN"
    way.heal()
    before = way.connections
    error = await fails(client, again=False)
    assert isinstance(error.__cause__, CircuitOpenError)
    assert way.connections == before
    assert error.retry_after == pytest.approx(client.breaker.retry_after)


async def test_a_server_that_answers_is_back_whatever_was_held_against_it(client: TemporalClient, way: FaultProxy) -> None:
    way.refuse()
    await fails(client, again=True)
    with pytest.raises(PlatformError):
        await client.version()
    assert client.breaker.state == "OPEN"
    way.heal()
    assert (await client.version())[0].isdigit()
    assert client.breaker.state == "CLOSED"


async def test_a_breaker_that_a_person_opened_stays_open(client: TemporalClient) -> None:
    client.breaker.isolate()
    await client.version()
    assert client.breaker.isolated


async def test_a_server_without_our_namespace_is_not_back(way: FaultProxy) -> None:
    client = TemporalClient(Place(f"127.0.0.1:{way.port}", namespace="nobody-made-this"))
    with pytest.raises(PlatformError) as caught:
        await client.version()
    assert caught.value.code == "TEMPORAL_ERROR"


async def test_a_worker_without_our_namespace_ends_with_the_code(way: FaultProxy) -> None:
    client = TemporalClient(Place(f"127.0.0.1:{way.port}", namespace="nobody-made-this"))
    with pytest.raises(PlatformError) as caught:
        await client.work([TrainingJob], [], 1)
    assert caught.value.code == "TEMPORAL_ERROR"


async def test_an_answer_that_does_not_come_in_time_is_none(client: TemporalClient) -> None:
    """No worker carries the workflow out; the job is driven all the same."""
    await client.start(NAME, "J-1", signal="news", again=False)
    assert await client.asked("J-1", "first-try", 0.2) is None
    assert client.breaker.failure_count == 0


async def test_a_silent_server_holds_a_call_no_longer_than_set(
    client: TemporalClient, way: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(temporal, "RPC_SECONDS", 0.2)
    way.hold()
    began = time.monotonic()
    await fails(client, again=False)
    assert time.monotonic() - began < 2
    with pytest.raises(PlatformError):
        await client.work([], [], 1)
    assert time.monotonic() - began < 4


def test_what_the_worker_tells_the_server_is_tried_again_as_the_policy_has_it() -> None:
    assert AS_POLICY.max_retries == TEMPORAL.attempts
    assert timedelta(milliseconds=AS_POLICY.initial_interval_millis) == timedelta(seconds=TEMPORAL.first_wait)
    assert timedelta(milliseconds=AS_POLICY.max_interval_millis) == timedelta(seconds=TEMPORAL.longest_wait)


def test_what_the_sdks_engine_logs_goes_into_our_log_without_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    ours.configure()
    temporal._runtime()
    logging.getLogger("temporalio.core").error("failed with password=hunter2hunter2")
    told = capsys.readouterr().err
    assert "temporalio.core" in told
    assert "hunter2" not in told


def exhausted(cause: str) -> RPCError:
    """A server's refusal for there being too much of something."""
    detail = any_pb2.Any()
    detail.Pack(ResourceExhaustedFailure(cause=f"RESOURCE_EXHAUSTED_CAUSE_{cause}"))
    status = GrpcStatus(code=RPCStatusCode.RESOURCE_EXHAUSTED, message="too much", details=[detail])
    return RPCError("too much", RPCStatusCode.RESOURCE_EXHAUSTED, status.SerializeToString())


def test_a_workflow_that_is_busy_is_awake_and_a_server_that_is_not() -> None:
    with temporal._busy_is_fine():
        raise exhausted("BUSY_WORKFLOW")
    with temporal._busy_is_fine():
        raise RPCError("... because workflow is closing", RPCStatusCode.UNAVAILABLE, b"")
    with pytest.raises(RPCError), temporal._busy_is_fine():
        raise exhausted("RPS_LIMIT")
    with pytest.raises(RPCError), temporal._busy_is_fine():
        raise RPCError("tcp connect error", RPCStatusCode.UNAVAILABLE, b"")
