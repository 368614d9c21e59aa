"""How each integration is protected: one table, from which retries, breakers, Temporal's policies and the docs are made."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from app.core.circuit_breaker import CircuitBreaker
from app.core.classify import classify


@dataclass(frozen=True, slots=True)
class Policy:
    """Protection of one integration.

    `attempts` counts all tries; waits in seconds; `breaker_after` is (failures in a row, seconds open) or None; `give_up`
    says what a caller gets after the last try: the exception, or None.
    """

    name: str
    attempts: int
    first_wait: float
    longest_wait: float
    breaker_after: tuple[int, float] | None
    give_up: Literal["raises", "none"] = "raises"
    title: str = ""

    def breaker(self, name: str | None = None) -> CircuitBreaker:
        """A new breaker as the policy has it.

        Raises:
            ValueError: the policy has none.
        """
        if self.breaker_after is None:
            message = f"policy {self.name} has no breaker"
            raise ValueError(message)
        failures, seconds = self.breaker_after
        return CircuitBreaker(failures, seconds, name=name or self.name)

    def bounds(self, retry: int) -> tuple[float, float]:
        """Shortest and longest wait in seconds before retry number `retry` (from 1)."""
        return self.first_wait, min(self.longest_wait, self.first_wait * 2.0 ** min(retry, 64))

    def tenacity(self) -> dict[str, Any]:
        """Keyword arguments for tenacity's ``retry`` or ``AsyncRetrying``, where a block and not a function is retried."""
        from tenacity import retry_if_exception, stop_after_attempt
        from tenacity.wait import wait_random_exponential

        def again(error: BaseException) -> bool:
            return classify(error).retryable

        arguments = {
            "retry": retry_if_exception(again),
            "stop": stop_after_attempt(self.attempts),
            "wait": wait_random_exponential(multiplier=2 * self.first_wait, min=self.first_wait, max=self.longest_wait),
            "reraise": True,
        }
        return arguments if self.give_up == "raises" else {**arguments, "retry_error_callback": lambda _state: None}

    def temporal(self) -> dict[str, Any]:
        """Keyword arguments for Temporal's ``RetryPolicy`` of the activities that call this integration."""
        return {
            "initial_interval": timedelta(seconds=self.first_wait),
            "backoff_coefficient": 2.0,
            "maximum_interval": timedelta(seconds=self.longest_wait),
            "maximum_attempts": self.attempts,
        }


TRAINER = Policy("trainer", 3, 4, 30, (5, 60), title="Trainer Service")
MLFLOW = Policy("mlflow", 5, 1, 5, None, "none", title="MLflow")
STORAGE = Policy("storage", 3, 2, 10, None, title="S3 Storage")
TEMPORAL = Policy("temporal", 5, 5, 60, (5, 120), title="Temporal")
DATABASE = Policy("database", 2, 1, 5, (3, 30), title="Database")
LLM = Policy("llm", 3, 5, 30, (5, 300), title="LLM (Claude/GPT)")
POLICIES = {policy.name: policy for policy in (TRAINER, MLFLOW, STORAGE, TEMPORAL, DATABASE, LLM)}
DEFAULT = Policy("default", 3, 2, 10, None, title="Anything else")

_breakers: dict[str, CircuitBreaker] = {}


def shared_breaker(policy: Policy) -> CircuitBreaker:
    """The one breaker of this process for the policy's integration."""
    breaker = _breakers.get(policy.name)
    # Of two threads that come first, both get the same.
    return breaker if breaker is not None else _breakers.setdefault(policy.name, policy.breaker())


def as_markdown() -> str:
    """The table as the documentation shows it."""
    lines = [
        "| Integration | Attempts | First wait | Longest wait | Circuit breaker | After the last attempt |",
        "|---|---|---|---|---|---|",
    ]
    for policy in POLICIES.values():
        breaker = "none"
        if policy.breaker_after is not None:
            breaker = f"{policy.breaker_after[0]} failures, {policy.breaker_after[1]:g} s"
        end = "raises" if policy.give_up == "raises" else "returns None"
        waits = f"{policy.first_wait:g} s | {policy.longest_wait:g} s"
        lines.append(f"| {policy.title} (`{policy.name}`) | {policy.attempts} | {waits} | {breaker} | {end} |")
    return "\n".join(lines) + "\n"
