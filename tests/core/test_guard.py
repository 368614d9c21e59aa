"""A function behind a breaker: the same function in every state."""

import asyncio
from typing import Any

import pytest

from app.core.circuit_breaker import CircuitBreaker
from app.core.errors import CircuitOpenError
from app.core.guard import guarded


def half_open(probes: int = 1) -> CircuitBreaker:
    """A breaker whose time to stay open is over at once."""
    breaker = CircuitBreaker(1, 0, probes=probes)
    breaker.settle(breaker.acquire(), ConnectionResetError())
    return breaker


class Service:
    """Does the same sync and async."""

    def answer(self, value: int, *, fail: bool = False) -> int:
        if fail:
            raise ConnectionResetError("peer")
        return value

    async def aanswer(self, value: int, *, fail: bool = False) -> int:
        await asyncio.sleep(0)
        return self.answer(value, fail=fail)


def calls(breaker: CircuitBreaker, kind: str) -> Any:
    """The guarded call, run to its end."""
    service = Service()
    if kind == "sync":
        return guarded(breaker, service.answer)
    run = guarded(breaker, service.aanswer)
    return lambda *args, **kwargs: asyncio.run(run(*args, **kwargs))


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_closed_breaker_lets_calls_pass_and_counts_their_ends(kind: str) -> None:
    breaker = CircuitBreaker(3, 60)
    call = calls(breaker, kind)
    assert call(4) == 4
    with pytest.raises(ConnectionResetError, match="peer"):
        call(4, fail=True)
    assert list(breaker.window or ()) == [True, False]


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize(("fail", "state"), [(False, "CLOSED"), (True, "OPEN")])
def test_a_probe_decides(kind: str, fail: bool, state: str) -> None:
    breaker = half_open()
    call = calls(breaker, kind)
    if fail:
        with pytest.raises(ConnectionResetError, match="peer"):
            call(4, fail=True)
    else:
        assert call(4) == 4
    assert breaker.state == state


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_an_open_breaker_refuses_by_the_functions_name(kind: str) -> None:
    breaker = CircuitBreaker()
    breaker.isolate()
    with pytest.raises(CircuitOpenError, match="answer is not available now"):
        calls(breaker, kind)(4)
