"""A WebSocket's other end, and one raw request, against an ASGI application in this process."""

import asyncio
import json
from types import TracebackType
from typing import Any, Self

SECONDS = 10.0


class Socket:
    """A watcher. `denial`: whether the server can answer a handshake with a body, as uvicorn can."""

    def __init__(
        self, app: Any, path: str, *, query: str = "", token: str | None = None, denial: bool = True, **headers: str
    ) -> None:
        self.app = app
        named = {"host": "backend.test", **headers}
        if token is not None:
            named["authorization"] = f"Bearer {token}"
        self.scope: dict[str, Any] = {
            "type": "websocket",
            "asgi": {"version": "3.0"},
            "scheme": "ws",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in named.items()],
            "client": ("127.0.0.1", 5),
            "server": ("backend.test", 80),
            "subprotocols": [],
            "extensions": {"websocket.http.response": {}} if denial else {},
        }
        self.sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.given: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.gate = asyncio.Event()
        self.gate.set()
        """While it is clear, the network takes nothing: the watcher is slow."""
        self.begun: dict[str, Any] = {}

    async def __aenter__(self) -> Self:
        async def send(message: dict[str, Any]) -> None:
            await self.gate.wait()
            self.sent.put_nowait(message)

        self.given.put_nowait({"type": "websocket.connect"})
        self.task = asyncio.create_task(self.app(self.scope, self.given.get, send))
        async with asyncio.timeout(SECONDS):
            self.begun = await self.sent.get()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.gate.set()
        self.given.put_nowait({"type": "websocket.disconnect", "code": 1001})
        async with asyncio.timeout(SECONDS):
            await self.task

    async def next(self) -> dict[str, Any]:
        """What the server sends next, as it sends it."""
        async with asyncio.timeout(SECONDS):
            return await self.sent.get()

    async def event(self) -> dict[str, Any]:
        """The next message, which must be one of JSON."""
        message = await self.next()
        assert message["type"] == "websocket.send", message
        return dict(json.loads(message["text"]))

    async def until_ready(self) -> list[dict[str, Any]]:
        """The events before ``ready``."""
        events = []
        while (event := await self.event())["type"] != "ready":
            events.append(event)
        return events

    async def denied(self) -> tuple[int, dict[str, str], dict[str, Any]]:
        """Status, headers and JSON body of a refused handshake."""
        assert self.begun["type"] == "websocket.http.response.start", self.begun
        headers = {name.decode(): value.decode() for name, value in self.begun["headers"]}
        body = await self.next()
        return self.begun["status"], headers, json.loads(body["body"])
