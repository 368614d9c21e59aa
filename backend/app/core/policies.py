"""How each integration is protected: one table, from which retries, breakers and the documentation are made."""

from dataclasses import dataclass
from typing import Literal

from app.core.circuit_breaker import CircuitBreaker


@dataclass(frozen=True, slots=True)
class Policy:
    """Protection of one integration.

    `attempts` counts all tries; waits in seconds; `breaker` is (failures in a row, seconds open) or None; `give_up` says
    what a caller gets after the last try: the exception, or None.
    """

    name: str
    attempts: int
    first_wait: float
    longest_wait: float
    breaker_after: tuple[int, float] | None
    give_up: Literal["raises", "none"] = "raises"

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
        return self.first_wait, min(self.longest_wait, self.first_wait * 2**retry)


TRAINER = Policy("trainer", 3, 4, 30, (5, 60))
MLFLOW = Policy("mlflow", 5, 1, 5, None, "none")
STORAGE = Policy("storage", 3, 2, 10, None)
TEMPORAL = Policy("temporal", 5, 5, 60, (5, 120))
DATABASE = Policy("database", 2, 1, 5, (3, 30))
LLM = Policy("llm", 3, 5, 30, (5, 300))
POLICIES = {policy.name: policy for policy in (TRAINER, MLFLOW, STORAGE, TEMPORAL, DATABASE, LLM)}
