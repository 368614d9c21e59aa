"""A TCP proxy on loopback that fails on command: what stands between a client and a real server may do anything.

It runs in a thread of its own, so tests of any kind, and processes that they start, can go through it.
"""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

CHUNK = 1 << 16
SOON = 10.0
ONCE = -1


@dataclass(slots=True)
class Faults:
    """What goes wrong now; the defaults let everything through.

    `latency` is in seconds for each piece of data, in both directions. `cut_after` resets a connection once the server has
    answered that many bytes; `cut_at` does so once, in place of the answer to these words of the client. `answers` holds
    whole HTTP answers that are given in place of the server's, one a request; `garbage` is what every connection gets;
    with `http2_status` every request over HTTP/2 gets that status, as a load balancer without servers answers.
    """

    latency: float = 0.0
    cut_after: int | None = None
    cut_at: bytes | None = None
    answers: list[bytes] = field(default_factory=list)
    garbage: bytes | None = None
    http2_status: int | None = None


class FaultProxy:
    """Forwards 127.0.0.1:`port` to 127.0.0.1:`target`, or fails as it is told. `close` ends it.

    `connections` counts those that came in.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.faults = Faults()
        self.connections = 0
        self._pairs: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault proxy", daemon=True)
        self._thread.start()
        self._flows = self._call(self._event())
        self._flows.set()
        self._server: asyncio.Server | None = None
        self.port = self._call(self._listen(0))

    @property
    def url(self) -> str:
        """Its address for HTTP clients."""
        return f"http://127.0.0.1:{self.port}"

    def heal(self) -> None:
        """From now on everything passes; what hung goes on."""
        self.faults = Faults()
        self.hold(yes=False)
        if self._server is None:
            self._call(self._listen(self.port))

    def refuse(self) -> None:
        """Nobody listens any more; connections under way are reset."""
        self._call(self._deafen())
        self.reset()

    def hold(self, yes: bool = True) -> None:
        """A black hole: connections are taken, nothing goes through, and nothing is lost."""
        self._loop.call_soon_threadsafe(self._flows.clear if yes else self._flows.set)

    def reset(self) -> None:
        """Resets all connections under way."""
        self._call(self._reset())

    def close(self) -> None:
        """Ends it with all connections."""
        self.heal()
        self._call(self._deafen())
        self._call(self._reset())
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(SOON)
        self._loop.close()

    def _call(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(SOON)

    async def _event(self) -> asyncio.Event:
        return asyncio.Event()

    async def _listen(self, port: int) -> int:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", port, backlog=256)
        return int(self._server.sockets[0].getsockname()[1])

    async def _deafen(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _reset(self) -> None:
        for pair in list(self._pairs):
            for writer in pair:
                _abort(writer)

    async def _end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            _abort(writer)
        finally:
            self._tasks.discard(task)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._flows.wait()
        if self.faults.garbage is not None:
            writer.write(self.faults.garbage)
            await writer.drain()
            writer.close()
            return
        if self.faults.http2_status is not None:
            await self._answer_http2(reader, writer)
            writer.close()
            return
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.target)
        pair = (writer, up_writer)
        self._pairs.add(pair)
        up = asyncio.create_task(self._pump(reader, up_writer, self._answered(reader, writer)))
        down = asyncio.create_task(self._pump(up_reader, writer, self._counted()))
        try:
            await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (up, down):
                task.cancel()
            await asyncio.gather(up, down, return_exceptions=True)
            self._pairs.discard(pair)
            for one in pair:
                one.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, check: Callable[[bytes], Any]) -> None:
        while data := await reader.read(CHUNK):
            await self._flows.wait()
            if self.faults.latency:
                await asyncio.sleep(self.faults.latency)
            if await check(data):
                return
            if self.faults.cut_at is not None and self.faults.cut_at in data:
                self.faults.cut_at, self.faults.cut_after = None, ONCE
            writer.write(data)
            await writer.drain()

    async def _answer_http2(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answers every request of a connection with a status and nothing else, until that is to end."""
        data, headers, settings, ping = 0, 1, 4, 6
        end, acknowledged = 0x5, 0x1
        await reader.readexactly(len(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
        writer.write(_frame(settings, 0, 0, b""))
        while True:
            head = await reader.readexactly(9)
            status = self.faults.http2_status
            if status is None:
                return
            kind, flags, stream = head[3], head[4], int.from_bytes(head[5:], "big")
            body = await reader.readexactly(int.from_bytes(head[:3], "big"))
            if kind == headers:
                # A literal value of the eighth name of HPACK's table: `:status`.
                writer.write(_frame(headers, end, stream, b"\x08\x03" + str(status).encode()))
            elif kind == data and body:
                writer.write(_frame(8, 0, 0, len(body).to_bytes(4, "big")))
            elif kind in (settings, ping) and not flags & acknowledged:
                writer.write(_frame(kind, acknowledged, 0, body if kind == ping else b""))
            await writer.drain()

    def _counted(self) -> Callable[[bytes], Any]:
        """Counts what the server answers, and cuts there."""
        seen = 0

        async def check(data: bytes) -> bool:
            nonlocal seen
            seen += len(data)
            if self.faults.cut_after is None or seen <= self.faults.cut_after:
                return False
            if self.faults.cut_after == ONCE:
                self.faults.cut_after = None
            await self._reset()
            return True

        return check

    def _answered(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Callable[[bytes], Any]:
        """Takes a whole request and gives one of `answers` to it."""

        async def check(data: bytes) -> bool:
            if not self.faults.answers:
                return False
            head, _, body = data.partition(b"\r\n\r\n")
            length = next((line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b":0")
            left = int(length.partition(b":")[2]) - len(body)
            while left > 0 and (more := await reader.read(CHUNK)):
                left -= len(more)
            writer.write(self.faults.answers.pop(0))
            await writer.drain()
            return True

        return check


def http_answer(status: str, body: bytes = b"", kind: str = "application/xml", **headers: str) -> bytes:
    """A whole HTTP answer: `status` such as ``503 Slow Down``; `_` in a header's name means ``-``."""
    told = {"Content-Type": kind, "Content-Length": str(len(body)), "Connection": "close", **headers}
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in told.items())
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode() + body


def _frame(kind: int, flags: int, stream: int, body: bytes) -> bytes:
    return len(body).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + body


def _abort(writer: asyncio.StreamWriter) -> None:
    """Ends a connection so that the other side gets a reset."""
    connection = writer.get_extra_info("socket")
    if connection is not None:
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@contextlib.contextmanager
def fault_proxy(target: int) -> Iterator[FaultProxy]:
    """A proxy before a port, closed afterwards."""
    proxy = FaultProxy(target)
    try:
        yield proxy
    finally:
        proxy.close()
