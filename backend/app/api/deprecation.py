"""What of the interface goes away, and when: told on every answer of it (RFC 9745, RFC 8594).

`DEPRECATED` is the one table; the changelog repeats it. An entry stays until the route is gone.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime

from starlette.types import ASGIApp, Message, Receive, Scope, Send


@dataclass(frozen=True, slots=True)
class Deprecation:
    """One operation that goes away: its method and route template, since when it is deprecated, when it ends (or None).

    `successor` is the address to use instead, `notice` a page about the change; either may be missing.
    """

    method: str
    endpoint: str
    since: datetime
    sunset: datetime | None = None
    successor: str | None = None
    notice: str | None = None

    def headers(self) -> list[tuple[bytes, bytes]]:
        """What the answers of the operation say."""
        found = [("deprecation", f"@{int(self.since.timestamp())}")]
        if self.sunset is not None:
            found.append(("sunset", format_datetime(self.sunset, usegmt=True)))
        if self.notice is not None:
            found.append(("link", f'<{self.notice}>; rel="deprecation"; type="text/html"'))
        if self.successor is not None:
            found.append(("link", f'<{self.successor}>; rel="successor-version"'))
        return [(name.encode(), value.encode("latin-1")) for name, value in found]


DEPRECATED: tuple[Deprecation, ...] = ()


class Deprecations:
    """Puts the headers of deprecated operations on their answers, errors included."""

    def __init__(self, app: ASGIApp, table: Iterable[Deprecation] = DEPRECATED) -> None:
        self.app = app
        self.headers = {(entry.method, entry.endpoint): entry.headers() for entry in table}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection."""
        if scope["type"] != "http" or not self.headers:
            await self.app(scope, receive, send)
            return

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                endpoint = getattr(scope.get("route"), "path", None)
                more = self.headers.get((scope["method"], str(endpoint)), [])
                message["headers"] = [*message.get("headers", ()), *more]
            await send(message)

        await self.app(scope, receive, told)
