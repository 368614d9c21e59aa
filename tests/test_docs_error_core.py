"""The page on using the error core alone: its code runs, and does what the page says."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.core import policies
from app.core.timing import TestTiming
from tests.core.faults import FaultServer
from tests.core.servers import closing
from tests.waiting import free_port

PAGE = Path(__file__).parents[1] / "docs" / "how-to" / "use-the-error-core.md"


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with closing(FaultServer()) as running:
        yield running


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the page's first code block defines."""
    monkeypatch.setattr(policies, "_breakers", {})
    code = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[0]
    namespace: dict[str, Any] = {}
    exec(compile(code, str(PAGE), "exec"), namespace)
    return namespace


@pytest.fixture
async def client(service: dict[str, Any]) -> Any:
    transport = httpx.ASGITransport(app=service["app"])
    async with service["client"], httpx.AsyncClient(transport=transport, base_url="http://service.test") as client:
        yield client


def test_the_page_protects_a_service_in_twenty_lines() -> None:
    code = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[0]
    lines = [line for line in code.splitlines() if line.strip() and not line.startswith(("import", "from"))]
    assert len(lines) <= 20


async def test_a_healthy_weather_service_is_simply_asked(
    client: httpx.AsyncClient, server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEATHER_URL", f"{server.url}/ok")
    answer = await client.get("/trips/rome")
    assert (answer.status_code, answer.json()) == (200, {"city": "rome", "weather": {}})


async def test_a_dead_weather_service_is_tried_again_then_left_alone_and_probed_later(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, no_waiting: TestTiming, service: dict[str, Any]
) -> None:
    monkeypatch.setenv("WEATHER_URL", f"http://127.0.0.1:{free_port()}")
    first = await client.get("/trips/rome")
    assert (first.status_code, first.json()["error"]["code"]) == (503, "NETWORK_ERROR")
    assert len(no_waiting.waits) == 2
    no_waiting.advance(20)
    await client.get("/trips/rome")
    assert policies.shared_breaker(service["WEATHER"]).state == "OPEN"
    no_waiting.advance(10)
    refused = await client.get("/trips/rome")
    assert refused.json()["error"]["code"] == "SERVICE_UNAVAILABLE"
    assert refused.headers["Retry-After"] == "20"
    assert refused.json()["error"]["trace_id"]


async def test_a_missing_city_is_told_and_not_tried_again(
    client: httpx.AsyncClient, server: FaultServer, monkeypatch: pytest.MonkeyPatch, no_waiting: TestTiming
) -> None:
    monkeypatch.setenv("WEATHER_URL", f"{server.url}/status-404")
    answer = await client.get("/trips/atlantis")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND")
    assert no_waiting.waits == []


async def test_a_hung_weather_service_costs_no_more_than_the_time_allowed(
    client: httpx.AsyncClient, server: FaultServer, monkeypatch: pytest.MonkeyPatch, service: dict[str, Any]
) -> None:
    monkeypatch.setenv("WEATHER_URL", f"{server.url}/hang")
    given: list[float] = []
    within = service["timing"].within
    monkeypatch.setattr(service["timing"], "within", lambda seconds: given.append(within(seconds)) or 0.05)
    answer = await client.get("/trips/rome")
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "OPERATION_TIMEOUT")
    assert given[0] == 2
    assert all(seconds <= 3 for seconds in given)
