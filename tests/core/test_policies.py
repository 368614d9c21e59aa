"""One table, from which everything that protects an integration is made."""

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest
import tenacity
from temporalio.common import RetryPolicy

from app.core import policies
from app.core.errors import NetworkError, ValidationError
from app.core.policies import DEFAULT, POLICIES, Policy, as_markdown, shared_breaker

ROWS = {
    "trainer": (3, 4, 30, (5, 60)),
    "mlflow": (5, 1, 5, None),
    "storage": (3, 2, 10, None),
    "temporal": (5, 5, 60, (5, 120)),
    "database": (2, 1, 5, (3, 30)),
    "llm": (3, 5, 30, (5, 300)),
}
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "policies.md"


def test_the_table_has_the_documents_figures() -> None:
    assert {n: (p.attempts, p.first_wait, p.longest_wait, p.breaker_after) for n, p in POLICIES.items()} == ROWS
    assert {name for name, policy in POLICIES.items() if policy.give_up == "none"} == {"mlflow"}


@pytest.mark.parametrize("policy", [*POLICIES.values(), DEFAULT], ids=lambda policy: policy.name)
def test_waits_keep_the_documented_bounds_and_grow(policy: Policy) -> None:
    bounds = [policy.bounds(number) for number in range(1, 100)]
    assert all(low == policy.first_wait and low <= high <= policy.longest_wait for low, high in bounds)
    assert bounds[0][1] == min(policy.longest_wait, 2 * policy.first_wait)
    assert bounds[-1][1] == policy.longest_wait


@pytest.mark.parametrize("name", ROWS)
def test_a_breaker_is_as_the_table_says(name: str) -> None:
    policy = POLICIES[name]
    if policy.breaker_after is None:
        with pytest.raises(ValueError, match=f"policy {name} has no breaker"):
            policy.breaker()
        return
    breaker = policy.breaker()
    assert (breaker.failure_threshold, breaker.recovery_timeout) == policy.breaker_after
    assert breaker.name == name
    assert policy.breaker("other").name == "other"


def test_an_integration_has_one_shared_breaker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policies, "_breakers", {})
    assert shared_breaker(policies.LLM) is shared_breaker(policies.LLM)
    assert shared_breaker(policies.LLM) is not shared_breaker(policies.DATABASE)


@pytest.mark.parametrize(
    "policy", [*POLICIES.values(), DEFAULT, Policy("even", 3, 2, 2, None)], ids=lambda policy: policy.name
)
def test_tenacity_tries_and_waits_by_the_same_row(policy: Policy) -> None:
    random.seed(11)
    waits: list[float] = []
    tries: list[int] = []

    @tenacity.retry(**policy.tenacity(), sleep=waits.append)
    def down() -> None:
        tries.append(1)
        raise NetworkError("x", OSError())

    for _ in range(50):
        if policy.give_up == "none":
            assert down() is None
        else:
            with pytest.raises(NetworkError):
                down()
    assert len(tries) == 50 * policy.attempts
    for index, wait in enumerate(waits):
        low, high = policy.bounds(index % (policy.attempts - 1) + 1)
        assert low <= wait <= high
    last = waits[policy.attempts - 2 :: policy.attempts - 1]
    assert len(set(last)) == (50 if policy.longest_wait > policy.first_wait else 1)


def test_tenacity_does_not_try_what_cannot_help() -> None:
    tries: list[int] = []

    @tenacity.retry(**POLICIES["mlflow"].tenacity(), sleep=lambda _: None)
    def wrong() -> None:
        tries.append(1)
        raise ValidationError("a", "b", 1)

    with pytest.raises(ValidationError):
        wrong()
    assert tries == [1]


@pytest.mark.parametrize("policy", POLICIES.values(), ids=lambda policy: policy.name)
def test_temporal_takes_the_row_as_its_retry_policy(policy: Policy) -> None:
    made = RetryPolicy(**policy.temporal())
    assert made.maximum_attempts == policy.attempts
    assert made.initial_interval.total_seconds() == policy.first_wait
    assert made.maximum_interval is not None
    assert made.maximum_interval.total_seconds() == policy.longest_wait
    assert made.backoff_coefficient == 2


def test_the_documentation_shows_the_table_as_it_is() -> None:
    text = as_markdown()
    for name, (attempts, first, longest, breaker) in ROWS.items():
        (line,) = [line for line in text.splitlines() if f"`{name}`" in line]
        shown = f"{breaker[0]} failures, {breaker[1]} s" if breaker else "none"
        assert f"| {attempts} | {first} s | {longest} s | {shown} |" in line
    assert "returns None" in text
    assert as_markdown() in PAGE.read_text(encoding="utf-8")


async def test_asyncs_tenacity_takes_the_same_arguments() -> None:
    async def skip(_: Any) -> None:
        await asyncio.sleep(0)

    tries: list[int] = []
    async for attempt in tenacity.AsyncRetrying(**DEFAULT.tenacity(), sleep=skip):
        with attempt:
            tries.append(1)
            if len(tries) < 3:
                raise NetworkError("x", OSError())
    assert len(tries) == 3
