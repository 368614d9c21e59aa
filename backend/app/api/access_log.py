"""One log line for every answer, with the trace id that the answer carries."""

from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.logging import get_logger
from app.core.training_metrics import answered

logger = get_logger(__name__)
FAILED = 400


class AccessLog:
    """Logs method, route, status and time of every answer.

    On a server (`everything`) each is worth a line; in a terminal those that went well are told at level debug only.
    """

    def __init__(self, app: ASGIApp, *, everything: bool) -> None:
        self.app = app
        self.everything = everything

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = perf_counter()
        status = 0

        async def watched(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self.app(scope, receive, watched)
        finally:
            answered(status)
            # Status 0: the client left before there was an answer.
            tell = logger.info if self.everything or status >= FAILED else logger.debug
            tell(
                "answered",
                method=scope["method"],
                route=getattr(scope.get("route"), "path", "unmatched"),
                status=status,
                ms=round((perf_counter() - started) * 1000, 1),
            )
