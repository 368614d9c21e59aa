"""A language model's answers and failures, in both wire formats, over real connections."""

import asyncio
import time
from collections.abc import Callable, Iterator

import pytest
from pydantic import ValidationError

from app.clients import llm as module
from app.clients.llm import LlmClient, Provider, make_llm
from app.config import Settings
from app.core import timing
from app.core.errors import PlatformError
from app.core.timing import TestTiming
from tests.clients.llm_server import LlmServer
from tests.core.faults import FaultServer

BOTH = ("anthropic", "openai")
Make = Callable[[str], LlmClient]


@pytest.fixture(scope="module")
def faults() -> Iterator[FaultServer]:
    server = FaultServer()
    yield server
    server.close()


@pytest.fixture
def server() -> Iterator[LlmServer]:
    server = LlmServer()
    yield server
    server.close()


def address(provider: str, url: str) -> str:
    """The base URL as each SDK wants it."""
    return url if provider == "anthropic" else f"{url}/v1"


@pytest.fixture(params=BOTH)
def provider(request: pytest.FixtureRequest) -> Provider:
    found: Provider = request.param
    return found


@pytest.fixture
def failing(provider: Provider, faults: FaultServer) -> Make:
    """A client of a server that fails in the way that is named."""
    return lambda fault: LlmClient(provider, "key", base_url=address(provider, f"{faults.url}/{fault}"))


async def refused(client: LlmClient) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        await client.write("system", "prompt", 500)
    assert caught.value.code == "LLM_UNAVAILABLE"
    return caught.value


async def test_words_come_whole_and_the_request_is_as_meant(provider: Provider, server: LlmServer) -> None:
    client = LlmClient(provider, "the-key", "the-model", address(provider, server.url))
    assert (await client.write("be short", "what happened", 500)).strip() == server.words
    (asked,) = server.asked
    assert asked["model"] == "the-model"
    assert "be short" in str(asked)
    assert asked["messages"][-1] == {"role": "user", "content": "what happened"}
    assert "the-key" in str(server.headers)
    assert "the-key" not in str(asked)


async def test_an_answer_is_not_read_beyond_the_limit(provider: Provider, server: LlmServer) -> None:
    server.words = "word " * 5000
    client = LlmClient(provider, "k", base_url=address(provider, server.url))
    assert len(await client.write("s", "p", 100)) == 100


@pytest.mark.parametrize(
    "fault",
    [
        "status-500", "status-503", "status-529", "status-429", "status-429-after-2", "html-502", "close", "reset",
        "garbage", "typed-529-overloaded_error", "typed-500-api_error",
    ],
)  # fmt: skip
async def test_what_may_pass_is_tried_three_times(failing: Make, fault: str, no_waiting: TestTiming) -> None:
    client = failing(fault)
    error = await refused(client)
    assert error.__cause__ is not None
    assert len(no_waiting.waits) == 2
    low, high = (5, 30) if "after" not in fault else (5, 60)
    assert all(low <= wait <= high for wait in no_waiting.waits)


@pytest.mark.parametrize("fault", ["stream-{}-error", "stream-{}-cut", "stream-{}-early", "ok", "cut", "html-200"])
async def test_a_stream_that_breaks_ends_early_or_says_nothing_is_no_answer(
    failing: Make, provider: Provider, fault: str, no_waiting: TestTiming
) -> None:
    await refused(failing(fault.format(provider)))
    assert len(no_waiting.waits) == 2


@pytest.mark.parametrize(
    "fault",
    [
        *(f"status-{status}" for status in (400, 401, 403, 404, 409, 413, 422)),
        "typed-429-insufficient_quota", "typed-400-invalid_request_error", "typed-401-authentication_error",
        "status-503-never",
    ],
)  # fmt: skip
async def test_what_cannot_help_is_not_tried_again(failing: Make, fault: str, no_waiting: TestTiming) -> None:
    await refused(failing(fault))
    assert no_waiting.waits == []


async def test_a_refused_connection_is_tried_again(provider: Provider, no_waiting: TestTiming) -> None:
    await refused(LlmClient(provider, "k", base_url="http://127.0.0.1:1"))
    assert len(no_waiting.waits) == 2


async def test_a_server_that_does_not_answer_is_left(
    failing: Make, monkeypatch: pytest.MonkeyPatch, no_waiting: TestTiming
) -> None:
    monkeypatch.setattr(module, "CALL_SECONDS", 0.2)
    began = time.monotonic()
    await refused(failing("hang"))
    assert time.monotonic() - began < 10
    assert len(no_waiting.waits) == 2


async def test_the_callers_deadline_is_the_sdks(failing: Make) -> None:
    began = time.monotonic()
    with timing.deadline(0.3):
        await refused(failing("hang"))
    assert time.monotonic() - began < 10


async def test_a_failure_that_passes_is_not_seen(provider: Provider, server: LlmServer) -> None:
    server.fail = 2
    client = LlmClient(provider, "k", base_url=address(provider, server.url))
    assert (await client.write("s", "p", 500)).strip() == server.words
    assert len(server.asked) == 3  # one for each of ours: the SDK's own retries are off


async def test_after_five_failures_nothing_is_asked_for_five_minutes(
    provider: Provider, server: LlmServer, no_waiting: TestTiming
) -> None:
    server.fail = 99
    client = LlmClient(provider, "k", base_url=address(provider, server.url))
    for _ in range(4):
        await refused(client)
    assert len(server.asked) == 5
    assert client.breaker.state == "OPEN"
    no_waiting.advance(400)
    server.fail = 0
    assert (await client.write("s", "p", 500)).strip() == server.words


async def test_the_event_loop_goes_on_while_words_are_waited_for(provider: Provider, server: LlmServer) -> None:
    server.held = True
    client = LlmClient(provider, "k", base_url=address(provider, server.url))
    asking = asyncio.create_task(client.write("s", "p", 500))
    turns = 0
    while not server.asked:
        await asyncio.sleep(0)
        turns += 1
    assert turns > 0
    server.release.set()
    assert (await asking).strip() == server.words


def test_the_provider_that_is_set_decides_else_the_key() -> None:
    keys = {"anthropic_api_key": None, "openai_api_key": None}
    assert make_llm(Settings(**keys)) is None, "off by default"
    both = Settings(anthropic_api_key="a", openai_api_key="o", anthropic_base_url=None)
    made = make_llm(both)
    assert made is not None
    assert (made.provider, made.model) == ("anthropic", module.MODELS["anthropic"])
    chosen = make_llm(both.model_copy(update={"llm_provider": "openai"}))
    assert chosen is not None
    assert (chosen.provider, chosen.model) == ("openai", module.MODELS["openai"])
    assert make_llm(both.model_copy(update={"llm_provider": "off"})) is None
    other = make_llm(Settings(**{**keys, "openai_api_key": "o"}, openai_base_url="http://own/v1", llm_model="mine"))
    assert other is not None
    assert (other.provider, other.model, other.base_url) == ("openai", "mine", "http://own/v1")
    assert "sk-secret" not in repr(Settings(**{**keys, "openai_api_key": "sk-secret"}))


@pytest.mark.parametrize("provider", BOTH)
def test_a_provider_without_its_key_stops_the_start_and_says_so(provider: str) -> None:
    keys = {"anthropic_api_key": None, "openai_api_key": None, "llm_provider": provider}
    with pytest.raises(ValidationError, match=f"{provider.upper()}_API_KEY is not set"):
        Settings(**keys)


async def test_without_leave_nothing_is_sent_and_the_breaker_counts_nothing(provider: Provider, server: LlmServer) -> None:
    async def none_left() -> bool:
        return False

    client = LlmClient(provider, "k", base_url=address(provider, server.url))
    with pytest.raises(PlatformError) as caught:
        await client.write("s", "p", 500, none_left)
    assert caught.value.code == "LLM_UNAVAILABLE"
    assert isinstance(caught.value.__cause__, PlatformError)
    assert caught.value.__cause__.code == "QUOTA_EXCEEDED"
    assert (server.asked, client.breaker.failure_count) == ([], 0)
