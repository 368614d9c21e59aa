"""What a user gets of a language model that fails, in both wire formats, over real connections, with each SDK."""

import importlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from httpx import AsyncClient

from app.api.deps import Platform
from app.clients import llm as module
from app.clients.llm import LlmClient, Provider
from app.core.timing import TestTiming
from tests.api.test_training import JOBS
from tests.clients.llm_server import LlmServer
from tests.conftest import TrainerService
from tests.core.faults import ANTHROPIC_START, OPENAI_CHUNK
from tests.integration.faults_table import Record
from tests.integration.proxy import FaultProxy, fault_proxy, http_answer
from tests.services.test_explain import counted, failed

NAME = "Language model"
CATALOGUE = "The code's own text, and that no model has answered."
NOTHING = "The model's words, later."
TRIED = "Tried three times, then let the catalogue's text stand; the verdict does not depend on it."
NOT_AGAIN = "Did not try again: that would not help. The catalogue's text stands."
ONCE = 1
ALWAYS = 50


@pytest.fixture
def server() -> Iterator[LlmServer]:
    server = LlmServer()
    yield server
    server.close()


@pytest.fixture
def proxy(server: LlmServer) -> Iterator[FaultProxy]:
    """What stands between the backend and the model."""
    with fault_proxy(server.server_port) as found:
        yield found


@pytest.fixture(params=["anthropic", "openai"])
def provider(request: pytest.FixtureRequest, platform: Platform, proxy: FaultProxy) -> Provider:
    """The running backend's model, through the proxy."""
    found: Provider = request.param
    importlib.import_module(found)  # which takes seconds that are no fault's
    platform.explanations.llm = LlmClient(found, "key", base_url=proxy.url if found == "anthropic" else f"{proxy.url}/v1")
    return found


def error(status: str, kind: str, times: int, **headers: str) -> Callable[[FaultProxy, Provider], None]:
    """Requests are refused in the form that both SDKs read."""
    told = {"type": kind, "code": kind, "message": "told by a test", "param": None}

    def begin(proxy: FaultProxy, _: Provider) -> None:
        answer = http_answer(status, json.dumps({"type": "error", "error": told}).encode(), "application/json", **headers)
        proxy.faults.answers = [answer] * times

    return begin


def used_up(proxy: FaultProxy, provider: Provider) -> None:
    """No money is left, in each provider's words."""
    kind = {"anthropic": ("400 Bad Request", "billing_error"), "openai": ("429 Too Many Requests", "insufficient_quota")}
    error(*kind[provider], ALWAYS)(proxy, provider)


def early(proxy: FaultProxy, provider: Provider) -> None:
    """Streams end in good order, but before the model has."""
    event = ANTHROPIC_START if provider == "anthropic" else OPENAI_CHUNK
    name = "event: message_start\n" if provider == "anthropic" else ""
    body = f"{name}data: {json.dumps(event)}\n\n".encode()
    proxy.faults.answers = [http_answer("200 OK", body, "text/event-stream")] * ALWAYS


def setting(name: str, value: Any) -> Callable[[FaultProxy, Provider], None]:
    """A fault of the connection."""
    return lambda proxy, _: setattr(proxy.faults, name, value)


@dataclass(frozen=True, slots=True)
class Fault:
    """How a model fails, and what comes of it: with `words`, the model's come all the same; `tries` are ours."""

    begin: Callable[[FaultProxy, Provider], object]
    did: str
    tries: int
    words: bool = False


FAULTS = {
    "refused": Fault(lambda proxy, _: proxy.refuse(), TRIED, 3),
    "black hole": Fault(lambda proxy, _: proxy.hold(), f"Waited 20 s (here 0.3 s) for each answer. {TRIED}", 3),
    "reset in mid-answer": Fault(setting("cut_after", 400), f"Showed no half of an answer. {TRIED}", 3),
    "slow": Fault(setting("latency", 0.02), "Waited; after 10 s the words are there the next time.", 1, words=True),
    "wrong credentials": Fault(error("401 Unauthorized", "authentication_error", ALWAYS), NOT_AGAIN, 1),
    "full": Fault(used_up, f"No money is left there. {NOT_AGAIN}", 1),
    "5xx": Fault(error("503 Service Unavailable", "api_error", ALWAYS), TRIED, 3),
    "429 with Retry-After": Fault(
        error("429 Too Many Requests", "rate_limit_error", ONCE, Retry_After="20"),
        "Waited as long as it was asked to (20 s), and tried again.", 2, words=True,
    ),
    "garbage answer": Fault(setting("garbage", b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), TRIED, 3),
    "stream that ends early": Fault(early, f"Took what has no end for no answer, although no SDK complains. {TRIED}", 3),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_model_that_fails_costs_its_words_and_nothing_else(
    fault: str, client: AsyncClient, mock_trainer_service: TrainerService, provider: Provider, proxy: FaultProxy,
    server: LlmServer, record_fault: Record, no_waiting: TestTiming, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    failing = FAULTS[fault]
    job_id = await failed(client, mock_trainer_service)
    before, waits = counted(), len(no_waiting.waits)
    failing.begin(proxy, provider)
    if fault == "black hole":
        monkeypatch.setattr(module, "CALL_SECONDS", 0.3)
    began = time.monotonic()
    answer = await client.get(f"{JOBS}/{job_id}/explanation")
    seconds = time.monotonic() - began
    found = answer.json()
    own = (await client.get(f"{JOBS}/{job_id}")).json()["error"]
    assert (answer.status_code, found["code"]) == (200, own["code"]), "no failure of the model is one of the request"
    catalogue = f"{own['message']} {own['suggested_action']}"
    told = (server.words, "llm", None) if failing.words else (catalogue, "catalogue", "unavailable")
    assert (found["text"], found["source"], found["reason"]) == told
    assert len(no_waiting.waits) - waits == failing.tries - 1
    if "Retry-After" in fault:
        assert no_waiting.waits[-1] >= 20
    assert counted() == before + (0 if failing.words else 1)
    saw = NOTHING if failing.words else CATALOGUE
    record_fault(NAME, fault, None if failing.words else "LLM_UNAVAILABLE", saw, failing.did, seconds)


async def test_a_model_that_is_back_is_asked_again_and_its_words_are_kept(
    client: AsyncClient, mock_trainer_service: TrainerService, provider: Provider, proxy: FaultProxy, server: LlmServer,
    record_fault: Record,
) -> None:  # fmt: skip
    job_id = await failed(client, mock_trainer_service)
    path = f"{JOBS}/{job_id}/explanation"
    server.close()
    began = time.monotonic()
    assert (await client.get(path)).json()["reason"] == "unavailable"
    seconds = time.monotonic() - began
    restarted = LlmServer()
    try:
        proxy.target = restarted.server_port
        assert (await client.get(path)).json()["text"] == restarted.words
    finally:
        restarted.close()
    assert (await client.get(path)).json()["source"] == "llm"
    did = "Tried three times; asked again by the next who wanted to know, and kept the words for all after that."
    record_fault(NAME, "killed and restarted", "LLM_UNAVAILABLE", f"{CATALOGUE} Words when it was back.", did, seconds)
