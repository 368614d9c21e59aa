"""Calls to agents: what an answer means, one breaker an agent, no waiting beyond the caller's deadline."""

from collections.abc import AsyncIterator, Callable

import httpx2
import pytest

from app.clients.trainer import TrainerClient
from app.core.errors import NetworkError, PlatformError
from app.core.timing import TestTiming, deadline

URL, OTHER = "http://agent.test", "http://other.test"
SPEC = {"job_id": "J-1", "attempt": 1}
Answer = Callable[[httpx2.Request], httpx2.Response]


class Agents:
    """Answers calls, or raises, as a test says."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.answer: Answer = lambda _: httpx2.Response(202, json={"accepted": True})
        self.client = TrainerClient("secret", httpx2.MockTransport(self._take))

    def _take(self, request: httpx2.Request) -> httpx2.Response:
        self.calls.append(str(request.url))
        assert request.headers["authorization"] == "Bearer secret"
        return self.answer(request)


@pytest.fixture
async def agents() -> AsyncIterator[Agents]:
    found = Agents()
    yield found
    await found.client.close()


def status(code: int, **more: object) -> Answer:
    return lambda _: httpx2.Response(code, **more)  # type: ignore[arg-type]


def refused(_request: httpx2.Request) -> httpx2.Response:
    message = "connection refused"
    raise httpx2.ConnectError(message)


@pytest.mark.parametrize(("code", "taken"), [(202, True), (200, True), (409, False)])
async def test_an_attempt_is_taken_or_there_is_no_room(agents: Agents, code: int, taken: bool) -> None:
    agents.answer = status(code, json={})
    assert await agents.client.start(URL, SPEC) is taken
    assert agents.calls == [f"{URL}/attempts"]


async def test_an_agent_that_cannot_be_reached_is_asked_three_times(agents: Agents, no_waiting: TestTiming) -> None:
    agents.answer = refused
    with pytest.raises(PlatformError) as caught:
        await agents.client.start(URL, SPEC)
    assert caught.value.code == "TRAINER_UNREACHABLE"
    assert isinstance(caught.value.__cause__, NetworkError)
    assert len(agents.calls) == 3
    assert all(4 <= wait <= 30 for wait in no_waiting.waits)


async def test_a_wait_that_the_agent_asks_for_is_passed_on(agents: Agents) -> None:
    agents.answer = status(503, headers={"Retry-After": "7"})
    with pytest.raises(PlatformError) as caught:
        await agents.client.start(URL, SPEC)
    assert caught.value.retry_after == 7


async def test_nobody_waits_beyond_the_deadline(agents: Agents, no_waiting: TestTiming) -> None:
    agents.answer = refused
    began = no_waiting.monotonic()
    with pytest.raises(PlatformError), deadline(5):
        await agents.client.start(URL, SPEC)
    assert no_waiting.monotonic() - began <= 5
    assert len(agents.calls) < 3


async def test_what_the_agent_refuses_keeps_its_code_and_is_not_asked_again(agents: Agents) -> None:
    agents.answer = status(422, json={"error": {"code": "DISK_FULL", "message": "no room"}})
    with pytest.raises(PlatformError) as caught:
        await agents.client.start(URL, SPEC)
    assert caught.value.code == "DISK_FULL"
    assert len(agents.calls) == 1
    agents.answer = status(418, text="teapot")
    with pytest.raises(PlatformError) as caught:
        await agents.client.start(URL, SPEC)
    assert caught.value.code == "SYSTEM_ERROR"


@pytest.mark.parametrize("code", [401, 403])
async def test_an_agent_with_another_secret_is_no_fault_of_who_submits(agents: Agents, code: int) -> None:
    agents.answer = status(code, json={"error": {"code": "INVALID_TOKEN", "message": "the agent's secret is wrong"}})
    with pytest.raises(PlatformError) as caught:
        await agents.client.start(URL, SPEC)
    assert caught.value.code == "TRAINER_UNREACHABLE"
    assert "another secret" in str(caught.value.__cause__.original_exception)  # type: ignore[union-attr]


async def test_a_cancel_says_whether_the_agent_had_the_attempt(agents: Agents) -> None:
    assert await agents.client.cancel(URL, "J-1", 1, "cancel") is True
    agents.answer = status(404, json={"error": {"code": "NOT_FOUND"}})
    assert await agents.client.cancel(URL, "J-1", 1, "cancel") is False
    assert agents.calls[0] == f"{URL}/attempts/J-1/1/cancel"


async def test_a_dead_machine_does_not_bar_the_way_to_others_and_its_report_lets_it_in_again(agents: Agents) -> None:
    agents.answer = refused
    for _ in range(3):
        with pytest.raises(PlatformError):
            await agents.client.start(URL, SPEC)
    assert agents.client.breaker(URL).state == "OPEN"
    agents.answer = status(202, json={})
    assert await agents.client.start(OTHER, SPEC) is True
    with pytest.raises(PlatformError):
        await agents.client.start(URL, SPEC)
    agents.client.forget(URL)
    assert await agents.client.start(URL, SPEC) is True
