"""How many requests a client may make, said on every answer before it bites.

A client is a kind of credential from an address. Agents, which deliver what trainings tell, have a limit of their own:
their journals would otherwise grow behind a limit that is meant for people.

A limit holds for all backends together, and none asks another: of N that live, each gives out an Nth of it. A client whose
requests are spread over all of them has it whole; one whose requests all reach the same has that share.
"""

from collections.abc import Callable
from math import ceil
from time import time

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.catch_all import Answers
from app.core.errors import PlatformError
from app.core.metrics import contained

Identify = Callable[[HTTPConnection], str]
"""The kind of credential that a connection presents: ``user``, ``agent``, ``attempt``, or ``anonymous``."""


class Policy:
    """A limit under a name."""

    def __init__(self, name: str, limit: str) -> None:
        self.name = name
        self.item: RateLimitItem = parse(limit)

    def cost(self, backends: int) -> int:
        """What a request costs of the whole limit where each backend gives out its share; one passes in any case."""
        return min(max(1, backends), self.item.amount)

    def header(self, cost: int) -> bytes:
        """The header that tells what this backend gives out."""
        return f'"{self.name}";q={self.item.amount // cost};w={self.item.get_expiry()}'.encode()


class RateLimits:
    """Counts requests by client in a moving window, and refuses those over the limit with RATE_LIMITED.

    `backends` says how many share the limits.
    """

    def __init__(
        self,
        app: ASGIApp,
        way_out: Answers,
        identify: Identify,
        limit: str,
        agent_limit: str,
        backends: Callable[[], int] = lambda: 1,
    ) -> None:
        self.app = app
        self.way_out = way_out
        self.identify = identify
        self.backends = backends
        people, agents = Policy("default", limit), Policy("agents", agent_limit)
        self.policies = {"agent": agents, "attempt": agents}
        self.people = people
        self.limiter = MovingWindowRateLimiter(MemoryStorage())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request where its client may make it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        kind = self.identify(HTTPConnection(scope))
        policy = self.policies.get(kind, self.people)
        cost = policy.cost(self.backends())
        allowed, left, seconds = self._take(policy, cost, kind, (scope.get("client") or ("unknown",))[0])
        state = f'"{policy.name}";r={left};t={seconds}'.encode()

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"ratelimit-policy", policy.header(cost)),
                    (b"ratelimit", state),
                ]
            await send(message)

        if allowed:
            await self.app(scope, receive, told)
            return
        details = {"retry_after": seconds, "limit": policy.item.amount // cost, "policy": policy.name}
        response = self.way_out.answer(scope, PlatformError.from_code("RATE_LIMITED", details))
        await response(scope, receive, told)

    def _take(self, policy: Policy, cost: int, kind: str, address: str) -> tuple[bool, int, int]:
        """Whether a request may pass, how many more may, and seconds until there is one more.

        A limiter that fails lets requests pass; that is counted.
        """
        allowed, left, reset = True, policy.item.amount, 0.0
        with contained("rate limit"):
            allowed = self.limiter.hit(policy.item, kind, address, cost=cost)
            reset, left = self.limiter.get_window_stats(policy.item, kind, address)
        return allowed, left // cost, max(1, ceil(reset - time()))
