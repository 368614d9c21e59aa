"""The named circuit breakers of this process: for the list of dependencies, and as a metric read at scrape time."""

import threading
import weakref
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from prometheus_client import REGISTRY
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from app.core.circuit_breaker import CircuitBreaker

_named: "weakref.WeakSet[CircuitBreaker]" = weakref.WeakSet()
_lock = threading.Lock()


def remember(breaker: "CircuitBreaker") -> None:
    """Lists a breaker for as long as somebody uses it."""
    with _lock:
        _named.add(breaker)


def known_breakers() -> "list[CircuitBreaker]":
    """The named breakers that are in use, by name."""
    with _lock:
        return sorted(_named, key=lambda breaker: breaker.name)


def label_of(name: str) -> str:
    """A breaker's name as a metric label: its first word, as the rest may be one of many addresses."""
    return name.partition(" ")[0] or "unnamed"


class _States(Collector):
    """How many breakers of a dependency are in which state."""

    def collect(self) -> Iterable[Metric]:
        """The gauge, made when somebody asks: a call through a breaker pays nothing for it."""
        states = GaugeMetricFamily(
            "platform_breaker_state", "Circuit breakers in a state, by dependency", labels=["dependency", "state"]
        )
        counted = Counter((label_of(breaker.name), breaker.state) for breaker in known_breakers())
        for (dependency, state), number in sorted(counted.items()):
            states.add_metric([dependency, state], number)
        yield states


REGISTRY.register(_States())
