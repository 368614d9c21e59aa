"""Limits are told on every answer, and refuse with the time to wait."""

import re

import httpx
import pytest
from limits.storage import memory

from app.api.deps import Platform
from app.api.limits import RateLimits
from app.config import Settings
from app.core.metrics import swallowed_total
from app.main import create_app
from app.services.tokens import AttemptTokens
from tests.conftest import SECRET, TOKEN
from tests.contract.shape import assert_canonical_error

STATE = re.compile(r'"(\w+)";r=(\d+);t=(\d+)')
LIVE = "/api/v1/system/health/live"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"rate_limit": "3/minute", "agent_rate_limit": "100/minute"})


def state_of(response: httpx.Response) -> tuple[str, int, int]:
    found = STATE.fullmatch(response.headers["ratelimit"])
    assert found is not None
    return found[1], int(found[2]), int(found[3])


async def test_the_limit_is_told_before_it_bites_and_refuses_with_the_time_to_wait(anonymous: httpx.AsyncClient) -> None:
    left = []
    for _ in range(3):
        response = await anonymous.get(LIVE)
        assert response.headers["ratelimit-policy"] == '"default";q=3;w=60'
        left.append(state_of(response)[1])
    assert left == [2, 1, 0]
    refused = await anonymous.get(LIVE, headers={"Accept": "application/problem+json"})
    error = assert_canonical_error(refused, 429, "RATE_LIMITED")
    assert error["retryable"] is True
    assert 1 <= error["retry_after"] <= 60
    assert state_of(refused) == ("default", 0, error["retry_after"])
    assert error["params"] == {"retry_after": error["retry_after"], "limit": 3, "policy": "default"}
    assert refused.json()["violated-policies"] == ["default"]


async def test_a_moving_window_lets_requests_pass_again_one_by_one(
    anonymous: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    class Watch:
        now = 1_000_000.0

        def time(self) -> float:
            return self.now

        def __getattr__(self, name: str) -> object:
            return getattr(time, name)

    watch = Watch()
    monkeypatch.setattr(memory, "time", watch)
    statuses = []
    for second in (0, 20, 40, 50, 61, 62, 81):
        watch.now = 1_000_000.0 + second
        statuses.append((await anonymous.get(LIVE)).status_code)
    assert statuses == [200, 200, 200, 429, 200, 429, 200]


async def test_each_client_has_a_limit_of_its_own(anonymous: httpx.AsyncClient) -> None:
    for _ in range(4):
        response = await anonymous.get(LIVE)
    assert response.status_code == 429
    assert (await anonymous.get(LIVE, headers={"Authorization": f"Bearer {TOKEN}"})).status_code == 200
    other = httpx.ASGITransport(app=anonymous._transport.app, client=("127.0.0.2", 1))  # type: ignore[attr-defined]
    async with httpx.AsyncClient(transport=other, base_url="http://backend.test") as elsewhere:
        assert (await elsewhere.get(LIVE)).status_code == 200


async def test_several_backends_give_out_the_limit_together(anonymous: httpx.AsyncClient, platform: Platform) -> None:
    anonymous.headers["Authorization"] = f"Bearer {SECRET}"
    assert (await anonymous.get(LIVE)).headers["ratelimit-policy"] == '"agents";q=100;w=60'
    platform.cluster.peers |= {"b", "c", "d"}
    second = await anonymous.get(LIVE)
    assert second.headers["ratelimit-policy"] == '"agents";q=25;w=60'
    # What was taken before the others came counts as it did then.
    assert state_of(second)[1] == (100 - 1 - 4) // 4
    passed = 2
    while (answer := await anonymous.get(LIVE)).status_code == 200:
        passed += 1
    assert passed == 1 + 24
    error = assert_canonical_error(answer, 429, "RATE_LIMITED")
    assert error["params"]["limit"] == 25
    assert state_of(answer)[1] == 0
    # Those that are left when the others are gone have it all again.
    platform.cluster.peers -= {"b", "c", "d"}
    assert (await anonymous.get(LIVE)).status_code == 200


async def test_of_a_limit_smaller_than_the_number_of_backends_one_request_passes_each(
    anonymous: httpx.AsyncClient, platform: Platform
) -> None:
    platform.cluster.peers |= {"b", "c", "d", "e"}
    answers = [await anonymous.get(LIVE) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 429]
    assert answers[0].headers["ratelimit-policy"] == '"default";q=1;w=60'


async def test_a_made_up_token_does_not_escape_the_limit(anonymous: httpx.AsyncClient) -> None:
    statuses = [
        (await anonymous.get("/api/v1/datasets", headers={"Authorization": f"Bearer guess-{number}"})).status_code
        for number in range(5)
    ]
    assert statuses == [401, 401, 401, 429, 429]


async def test_agents_and_their_attempts_are_not_held_up_by_the_limit_for_people(anonymous: httpx.AsyncClient) -> None:
    for token in (SECRET, AttemptTokens(SECRET).token("J-1", 1)):
        for _ in range(5):
            response = await anonymous.get(LIVE, headers={"Authorization": f"Bearer {token}"})
            assert response.status_code == 200
            assert response.headers["ratelimit-policy"] == '"agents";q=100;w=60'
            assert state_of(response)[0] == "agents"


async def test_a_limiter_that_fails_lets_requests_pass_and_is_counted(
    anonymous: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> bool:
        raise OSError("no storage")

    monkeypatch.setattr("limits.strategies.MovingWindowRateLimiter.hit", broken)
    counted = swallowed_total.labels(component="rate limit")
    before = counted._value.get()
    for _ in range(5):
        assert (await anonymous.get(LIVE)).status_code == 200
    assert counted._value.get() - before == 5


def test_a_limit_that_cannot_be_read_stops_the_start(settings: Settings) -> None:
    wrong = settings.model_copy(update={"rate_limit": "many"})
    with pytest.raises(ValueError, match="many"):
        create_app(wrong).build_middleware_stack()
    assert RateLimits.__doc__ is not None
