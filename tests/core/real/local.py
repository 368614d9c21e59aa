"""Failures of files, images, archives, processes and of Python itself."""

import asyncio
import gzip
import io
import json
import os
import resource
import socket
import subprocess
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from tests.core.real.cases import BRIEF, BUSY, DATA, GONE_FOR_GOOD, LATE, MISUSED, NETWORK, Servers, case
from tests.core.real.sqlite import made


@case("os-no-space", ("DISK_FULL", False, "failure"))
def _(_servers: Servers) -> None:
    with open("/dev/full", "wb", buffering=0) as full:  # noqa: PTH123 - a device
        full.write(b"x")


case("os-missing", ("NOT_FOUND", False, "neutral"))(lambda s: (s("folder") / "nothing").read_bytes())
case("os-folder", ("NOT_FOUND", False, "neutral"))(lambda s: s("folder").read_bytes())
case("os-not-a-folder", ("NOT_FOUND", False, "neutral"))(lambda s: (s("folder") / made(s) / "x").read_bytes())
case("os-exists", ("CONFLICT", False, "neutral"))(lambda s: s("folder").mkdir())
case("os-not-permitted", ("FILE_PERMISSION_DENIED", False, "neutral"))(lambda _: Path("/sys/nothing-of-ours").mkdir())
case("os-no-memory", ("HOST_OOM", False, "neutral"))(lambda _: bytearray(1 << 62))
case("os-no-program", ("NOT_FOUND", False, "neutral"))(lambda _: subprocess.run(["/no/such/program"], check=True))
case("socket-refused", NETWORK)(lambda s: socket.create_connection(("127.0.0.1", s("nobody")), 1))
case("socket-late", LATE)(lambda s: socket.create_connection(("127.0.0.1", s("full")), BRIEF))
case("socket-no-name", GONE_FOR_GOOD)(lambda _: socket.getaddrinfo("no number", 80, flags=socket.AI_NUMERICHOST))
case("socket-bound-twice", MISUSED)(lambda s: socket.create_server(("127.0.0.1", s("full"))))


@case("os-too-many-files", MISUSED)
def _(servers: Servers) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
    held = []
    try:
        while True:
            held.append(open("/dev/null", "rb"))  # noqa: PTH123, SIM115 - the point is not to close them
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for file in held:
            file.close()


@case("pipe-broken", NETWORK)
def _(_servers: Servers) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        os.write(writing, b"x")
    finally:
        os.close(writing)


def _child(script: str, **more: Any) -> Callable[[Servers], Any]:
    return lambda _: subprocess.run(["/bin/sh", "-c", script], check=True, capture_output=True, **more)


case("child-failed", ("TRAINING_CODE_ERROR", False, "neutral"))(_child("exit 3"))
case("child-crashed", ("TRAINER_CRASHED", False, "neutral"))(_child("kill -SEGV $$"))
case("child-aborted-in-a-shell", ("TRAINER_CRASHED", False, "neutral"))(_child("exit 134"))
case("child-killed", ("TRAINER_KILLED", False, "neutral"))(_child("kill -KILL $$"))
case("child-killed-in-a-shell", ("TRAINER_KILLED", False, "neutral"))(_child("exit 137"))
case("child-interrupted", ("TRAINING_CANCELLED", False, "neutral"))(_child("kill -INT $$"))
case("child-odd-exit", ("TRAINING_CODE_ERROR", False, "neutral"))(_child("exit 255"))
case("child-late", ("OPERATION_TIMEOUT", False, "failure"))(_child("sleep 5", timeout=0.05))


@case("pool-worker-died", ("TRAINER_CRASHED", False, "neutral"))
def _(_servers: Servers) -> None:
    with ProcessPoolExecutor(1) as pool:
        pool.submit(os._exit, 1).result(30)


def picture(form: str = "PNG") -> bytes:
    """A real picture."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.effect_noise((64, 64), 90).save(buffer, form)
    return buffer.getvalue()


def _look(content: bytes) -> None:
    from PIL import Image

    with Image.open(io.BytesIO(content)) as image:
        image.load()


case("pillow-no-picture", DATA)(lambda _: _look(b"This is a letter."))
case("pillow-cut-png", DATA)(lambda _: _look(picture()[:900]))
case("pillow-cut-jpeg", DATA)(lambda _: _look(picture("JPEG")[:900]))
case("pillow-cut-webp", DATA)(lambda _: _look(picture("WEBP")[:200]))
case("pillow-cut-gif", DATA)(lambda _: _look(picture("GIF")[:900]))
case("pillow-damaged-png", DATA)(lambda _: _look(picture()[:41] + b"\0\0\0\0" + picture()[45:200]))
case("pillow-damaged-chunk", DATA)(lambda _: _look(_patched(picture(), 29, b"\1\2\3\4")))
case("pillow-damaged-jpeg", DATA)(lambda _: _look(picture("JPEG")[:300] + b"\xff" * 400))


def _patched(content: bytes, at: int, patch: bytes) -> bytes:
    return content[:at] + patch + content[at + len(patch) :]


@case("pillow-bomb", DATA)
def _(_servers: Servers) -> None:
    from PIL import Image

    header = b"P5\n60000 60000\n255\n"
    with Image.open(io.BytesIO(header + b"x" * 99)) as image:
        image.load()


def zipped() -> bytes:
    """A real archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", b"some text that is long enough " * 50)
    return buffer.getvalue()


def _unzip(content: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        archive.read("a.txt")


case("zip-no-archive", DATA)(lambda _: _unzip(b"This is a letter."))
case("zip-cut", DATA)(lambda _: _unzip(zipped()[:-30]))
case("zip-damaged", DATA)(lambda _: _unzip(_patched(zipped(), 45, b"\0\0\0\0\0\0")))
case("zip-wrong-sum", DATA)(
    lambda _: _unzip(zipped().replace(zlib.crc32(b"some text that is long enough " * 50).to_bytes(4, "little"), b"\1\2\3\4"))
)
case("zip-encrypted", DATA)(lambda _: _unzip(_flagged(zipped(), 1)))
case("zip-unknown-method", DATA)(lambda _: _unzip(_method(zipped())))


def _flagged(content: bytes, flag: int) -> bytes:
    """The archive with a flag set in both headers of its file."""
    central = content.index(b"PK\1\2")
    return _patched(_patched(content, 6, bytes([flag])), central + 8, bytes([flag]))


def _method(content: bytes) -> bytes:
    central = content.index(b"PK\1\2")
    return _patched(_patched(content, 8, b"\x63"), central + 10, b"\x63")


case("zlib-damaged", DATA)(lambda _: zlib.decompress(b"This is a letter."))
case("gzip-no-archive", DATA)(lambda _: gzip.decompress(b"This is a letter."))
case("gzip-cut", DATA)(lambda _: gzip.GzipFile(fileobj=io.BytesIO(gzip.compress(os.urandom(500))[:-100])).read())
case("tar-no-archive", DATA)(lambda _: tarfile.TarFile(fileobj=io.BytesIO(b"This is a letter." * 99)))


case("python-key", ("SYSTEM_ERROR", False, "failure"))(lambda _: {}["k"])
case("python-type", ("SYSTEM_ERROR", False, "failure"))(lambda _: len(3))  # type: ignore[arg-type]
case("python-import", ("DEPENDENCY_ERROR", False, "neutral"))(lambda _: __import__("no_such_module_of_ours"))
case("python-exit", ("TRAINING_CANCELLED", False, "neutral"))(lambda _: sys.exit(1))
case("json-broken", BUSY)(lambda _: json.loads("{"))


@case("asyncio-late", LATE)
async def _(_servers: Servers) -> None:
    await asyncio.wait_for(asyncio.Event().wait(), 0.01)


@case("asyncio-cancelled", ("TRAINING_CANCELLED", False, "neutral"))
async def _(_servers: Servers) -> None:
    task = asyncio.ensure_future(asyncio.Event().wait())
    await asyncio.sleep(0)
    task.cancel()
    await task


@case("asyncio-incomplete", NETWORK)
async def _(servers: Servers) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", servers("http").server_port)
    try:
        writer.write(b"GET /close HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readexactly(10)
    finally:
        writer.close()
