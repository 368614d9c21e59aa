"""The list of named breakers, and the gauge made from it."""

import gc

from prometheus_client import REGISTRY, generate_latest

from app.core import breakers
from app.core.circuit_breaker import CircuitBreaker


def gauge(dependency: str, state: str) -> float | None:
    return REGISTRY.get_sample_value("platform_breaker_state", {"dependency": dependency, "state": state})


def test_breakers_are_listed_by_name() -> None:
    kept = [CircuitBreaker(name=name) for name in ("zebra", "ant", "mole")]
    names = [breaker.name for breaker in breakers.known_breakers() if breaker in kept]
    assert names == ["ant", "mole", "zebra"]


def test_breakers_of_one_name_are_both_known_and_forgotten_with_their_last_user() -> None:
    one, two = CircuitBreaker(name="twin"), CircuitBreaker(name="twin")
    CircuitBreaker()
    gc.collect()
    assert len([b for b in breakers.known_breakers() if b in (one, two)]) == 2
    assert b'platform_breaker_state{dependency="twin",state="CLOSED"} 2.0' in generate_latest()
    del one, two
    gc.collect()
    assert [b for b in breakers.known_breakers() if b.name in ("twin", "")] == []


def test_the_gauge_tells_how_many_breakers_of_a_dependency_are_in_a_state() -> None:
    several = [CircuitBreaker(name=f"gauged http://10.0.0.{number}") for number in range(3)]
    assert gauge("gauged", "CLOSED") == 3
    assert gauge("gauged", "OPEN") is None
    several[1].isolate()
    assert (gauge("gauged", "CLOSED"), gauge("gauged", "OPEN")) == (2, 1)


def test_a_metric_label_is_a_names_first_word() -> None:
    assert breakers.label_of("trainer http://10.0.0.1") == "trainer"
    assert breakers.label_of("") == "unnamed"
