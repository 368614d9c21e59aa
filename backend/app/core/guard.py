"""A function whose every call goes through a circuit breaker, at the price of a compiled wrapper."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from app.core.compiled import is_async, wrapper

if TYPE_CHECKING:
    from app.core.circuit_breaker import CircuitBreaker, Ticket

Args = tuple[Any, ...]
Kwargs = dict[str, Any]


class _Guard:
    """Carries out the calls that need leave, and takes the failures."""

    def __init__(self, breaker: "CircuitBreaker", function: Callable[..., Any]) -> None:
        self.holder = self.breaker = breaker
        self.function = function
        self.name = getattr(function, "__name__", "")


class _Sync(_Guard):
    def guarded(self, args: Args, kwargs: Kwargs) -> Any:
        """A call that needs leave."""
        ticket = self.breaker.acquire(self.name)
        try:
            result = self.function(*args, **kwargs)
        except BaseException as error:
            self.breaker.settle(ticket, error)
            raise
        self.breaker.settle(ticket)
        return result

    def failed(self, ticket: "Ticket", error: BaseException, _args: Args, _kwargs: Kwargs) -> None:
        """A call that raised; so does this."""
        self.breaker.settle(ticket, error)
        try:
            raise error
        finally:
            # The exception knows this frame; a frame that knows the exception would keep both alive.
            del error


class _Async(_Guard):
    async def guarded(self, args: Args, kwargs: Kwargs) -> Any:
        """A call that needs leave."""
        ticket = self.breaker.acquire(self.name)
        try:
            result = await self.function(*args, **kwargs)
        except BaseException as error:
            self.breaker.settle(ticket, error)
            raise
        self.breaker.settle(ticket)
        return result

    async def failed(self, ticket: "Ticket", error: BaseException, _args: Args, _kwargs: Kwargs) -> None:
        """A call that raised; so does this."""
        self.breaker.settle(ticket, error)
        try:
            raise error
        finally:
            # The exception knows this frame; a frame that knows the exception would keep both alive.
            del error


def guarded(breaker: "CircuitBreaker", function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, each call of which goes through `breaker`."""
    kind = _Async if is_async(function) else _Sync
    return wrapper(function, kind(breaker, function))
