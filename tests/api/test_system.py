"""The backend about itself: health, dependencies and their breakers, metrics, session."""

import gc
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from app.api.deps import Platform
from app.config import Settings
from app.core.errors import DatabaseError
from app.core.policies import POLICIES
from app.services.probes import BESIDE_POLICIES
from tests.clients.llm_server import LlmServer
from tests.conftest import TOKEN, TrainerService, register_agent
from tests.contract.shape import assert_canonical_error
from tests.waiting import eventually

DEPENDENCIES = "/api/v1/system/dependencies"
AGENT = "http://127.0.0.1:9/agent"


@pytest.fixture(autouse=True)
def only_breakers_of_this_test() -> None:
    """Breakers are listed for as long as somebody uses them: those of platforms that are gone go here."""
    gc.collect()


async def trainer(client: httpx.AsyncClient) -> dict[str, Any]:
    items = (await client.get(DEPENDENCIES)).json()["items"]
    assert [item["name"] for item in items] == [*POLICIES, *BESIDE_POLICIES]
    return dict(next(item for item in items if item["name"] == "trainer"))


def mine(item: dict[str, Any]) -> dict[str, Any]:
    return dict(next(breaker for breaker in item["breakers"] if breaker["name"] == f"trainer {AGENT}"))


async def test_every_integration_is_listed_with_its_policy(client: httpx.AsyncClient) -> None:
    items = {item["name"]: item for item in (await client.get(DEPENDENCIES)).json()["items"]}
    assert items["trainer"]["breaker_after"] == {"failures": 5, "seconds": 60}
    assert (items["mlflow"]["attempts"], items["mlflow"]["breaker_after"], items["mlflow"]["give_up"]) == (5, None, "none")
    assert items["mlflow"]["state"] is None
    assert (items["database"]["first_wait_s"], items["database"]["longest_wait_s"]) == (1, 5)


async def test_a_breaker_shows_failures_state_and_time_left(client: httpx.AsyncClient, platform: Platform) -> None:
    breaker = platform.trainer.breaker(AGENT)
    assert mine(await trainer(client))["state"] == "CLOSED"
    for _ in range(5):
        with pytest.raises(ConnectionRefusedError):
            breaker.call(lambda: (_ for _ in ()).throw(ConnectionRefusedError()))
    item = await trainer(client)
    assert mine(item) == {
        "name": f"trainer {AGENT}",
        "state": "OPEN",
        "failure_count": 5,
        "failure_threshold": 5,
        "retry_after": 60,
        "isolated": False,
    }
    assert (item["state"], item["failure_count"], item["retry_after"]) == ("OPEN", 5, 60)


@pytest.mark.parametrize("name", ["trainer", f"trainer {AGENT}"])
async def test_a_person_can_isolate_a_dependency_and_let_it_in_again(
    client: httpx.AsyncClient, platform: Platform, name: str
) -> None:
    breaker = platform.trainer.breaker(AGENT)
    answer = (await client.post(f"{DEPENDENCIES}/{name}/isolate")).json()
    assert {"isolated": True, "retry_after": None}.items() <= mine({"breakers": answer["items"]}).items()
    assert breaker.isolated
    item = await trainer(client)
    assert (item["state"], item["retry_after"]) == ("ISOLATED", None)
    answer = (await client.post(f"{DEPENDENCIES}/{name}/reset")).json()
    assert mine({"breakers": answer["items"]})["state"] == "CLOSED"
    assert breaker.state == "CLOSED"


@pytest.mark.parametrize("action", ["isolate", "reset"])
async def test_an_unknown_breaker_is_not_found_and_strangers_may_not_touch_any(
    client: httpx.AsyncClient, action: str
) -> None:
    assert_canonical_error(await client.post(f"{DEPENDENCIES}/nothing/{action}"), 404)
    client.headers["Authorization"] = ""
    assert_canonical_error(await client.post(f"{DEPENDENCIES}/trainer/{action}"), 401)
    assert_canonical_error(await client.get(DEPENDENCIES), 401)


async def test_metrics_are_in_the_format_of_prometheus_and_name_no_ids(client: httpx.AsyncClient) -> None:
    for number in range(3):
        await client.get(f"/api/v1/training-jobs/J-4{number}")
    client.headers["Authorization"] = ""
    response = await client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain")
    families = {family.name: family for family in text_string_to_metric_families(response.text)}
    counted = {
        sample.labels["endpoint"]: sample.value
        for sample in families["api_errors"].samples
        if sample.name == "api_errors_total" and sample.labels["status_code"] == "404"
    }
    assert counted["/api/v1/training-jobs/{job_id}"] >= 3
    assert "J-4" not in response.text
    assert "platform_breaker_state" in families


async def test_metrics_can_be_closed_with_a_token_of_their_own(
    app: FastAPI, anonymous: httpx.AsyncClient, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "metrics_token", "scrape")
    assert_canonical_error(await anonymous.get("/metrics"), 401)
    assert_canonical_error(await anonymous.get("/metrics", headers={"Authorization": "Bearer wrong"}), 401)
    assert (await anonymous.get("/metrics", headers={"Authorization": "Bearer scrape"})).status_code == 200


async def test_health_needs_no_token_and_status_does(anonymous: httpx.AsyncClient, client: httpx.AsyncClient) -> None:
    status = (await client.get("/api/v1/system/status")).json()
    assert (status["status"], status["agents"], status["open_jobs"]) == ("degraded", [], 0)
    assert (await client.get("/api/v1/session")).json()["authenticated"] is True
    anonymous.headers["Authorization"] = ""
    assert (await anonymous.get("/api/v1/system/health/live")).json()["status"] == "live"
    ready = await anonymous.get("/api/v1/system/health/ready")
    assert (ready.status_code, ready.json()) == (200, {"status": "degraded", "degraded": ["agents"]})
    assert_canonical_error(await anonymous.get("/api/v1/system/status"), 401)
    assert_canonical_error(await anonymous.get("/api/v1/session"), 401)


async def test_ready_degraded_and_not_ready_are_three_answers(
    anonymous: httpx.AsyncClient, platform: Platform, mock_trainer_service: TrainerService
) -> None:
    assert mock_trainer_service.url
    await platform.dependencies.look()
    path = "/api/v1/system/health/ready"
    assert (await anonymous.get(path)).json() == {"status": "ready", "degraded": []}
    await platform.cluster.breakers.switch("trainer", off=True)
    degraded = await anonymous.get(path)
    assert (degraded.status_code, degraded.json()) == (200, {"status": "degraded", "degraded": ["trainer"]})
    await platform.driver.stop()
    platform.db.breaker.isolate()
    assert_canonical_error(await anonymous.get(path), 503, "SERVICE_UNAVAILABLE")
    status = (await anonymous.get("/api/v1/system/status", headers={"Authorization": f"Bearer {TOKEN}"})).json()
    assert (status["open_jobs"], [part["name"] for part in status["degraded"]]) == (None, ["database", "trainer"])
    assert (await anonymous.get("/api/v1/system/health/live")).json()["status"] == "live"


async def test_each_integration_tells_what_it_is_whether_it_is_there_and_its_version(
    client: httpx.AsyncClient, platform: Platform, mock_trainer_service: TrainerService
) -> None:
    items = {item["name"]: item for item in (await client.get(DEPENDENCIES)).json()["items"]}
    told = {name: (item["configured"], item["reachable"]) for name, item in items.items()}
    nothing = (None, None)
    assert told == {
        "trainer": ("agents", True),
        "mlflow": nothing,
        "storage": ("folder", True),
        "temporal": nothing,
        "database": ("sqlite", True),
        "llm": nothing,
        "alerts": nothing,
        "alertmanager": nothing,
        "sentry": nothing,
        "traces": nothing,
    }
    assert items["database"]["version"].startswith("3.")
    assert items["trainer"]["version"] == "test"
    assert items["trainer"]["asked"] == 1
    assert {item["degraded"] for item in items.values()} == {None}

    # One more that nobody answers for: the platform says what that means, and remembers the failure.
    await register_agent(platform, "http://127.0.0.1:9", agent_id="agent-2")
    platform.dependencies.watched["trainer"]._asked_at = float("-inf")
    item = await trainer(client)
    assert (item["reachable"], item["asked"], item["away"]) == (True, 2, 1)
    assert item["degraded"] == "New trainings go to the others."
    assert {"code": "TRAINER_UNREACHABLE", "reason": "Connection failed"}.items() <= item["last_error"].items()
    status = (await client.get("/api/v1/system/status")).json()
    assert status["status"] == "degraded"
    assert [part["what"] for part in status["degraded"]] == ["1 of 2 agents cannot be reached"]


class TestWithALanguageModel:
    """One is set up, by its environment variables' settings."""

    @pytest.fixture
    def server(self) -> Iterator[LlmServer]:
        server = LlmServer()
        yield server
        server.close()

    @pytest.fixture
    def settings(self, settings: Settings, server: LlmServer) -> Settings:
        changes = {"anthropic_api_key": SecretStr("key"), "anthropic_base_url": server.url, "llm_model": "small-1"}
        return settings.model_copy(update=changes)

    async def test_it_is_told_which_one_is_asked_and_whether_it_is_there_without_a_call(
        self, client: httpx.AsyncClient, server: LlmServer
    ) -> None:
        items = (await client.get(DEPENDENCIES)).json()["items"]
        item = next(item for item in items if item["name"] == "llm")
        assert (item["configured"], item["reachable"], item["version"], server.asked) == ("anthropic", True, "small-1", [])


async def test_an_agent_that_is_drained_or_excluded_is_none_that_a_training_could_start_on(
    client: httpx.AsyncClient, platform: Platform, mock_trainer_service: TrainerService
) -> None:
    assert mock_trainer_service.url
    assert (await client.get("/api/v1/system/status")).json()["status"] == "ok"
    await client.post("/api/v1/agents/agent-1/drain", json={"stop": False})
    status = (await client.get("/api/v1/system/status")).json()
    assert status["status"] == "degraded"
    assert [(part["name"], part["what"]) for part in status["degraded"]] == [
        ("agents", "Every agent that is alive is drained")
    ]
    await client.post("/api/v1/agents/agent-1/resume")
    assert (await client.get("/api/v1/system/status")).json()["degraded"] == []


async def test_one_breaker_of_a_dependency_that_is_off_as_a_whole_cannot_be_reset_alone(
    client: httpx.AsyncClient, platform: Platform
) -> None:
    platform.trainer.breaker(AGENT)
    await client.post(f"{DEPENDENCIES}/trainer/isolate")
    assert_canonical_error(await client.post(f"{DEPENDENCIES}/trainer {AGENT}/reset"), 409, "CONFLICT")
    # What was not there yet when it was switched off is off as well.
    assert platform.trainer.breaker("http://127.0.0.1:10").isolated
    await client.post(f"{DEPENDENCIES}/trainer/reset")
    assert not platform.trainer.breaker("http://127.0.0.1:10").isolated


async def test_alerts_are_shown_with_what_became_of_them(client: httpx.AsyncClient, platform: Platform) -> None:
    platform.alert_board.alerts.error(DatabaseError("commit", OSError("hunter2")), "e1:x", "api", "a" * 32, {})
    await eventually(lambda: platform.alert_board.alerts.noted, what="an alert")
    found = (await client.get("/api/v1/system/alerts")).json()
    assert (found["receiver"], found["alertmanager"]) == (False, None)
    (told,) = found["told"]
    assert (told["kind"], told["code"], told["outcome"], told["link"]) == (
        "critical", "DATABASE_ERROR", "shown", "/errors/DATABASE_ERROR",
    )  # fmt: skip
    assert "hunter2" not in str(told)
