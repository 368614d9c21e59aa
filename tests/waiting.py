"""Waiting for what happens elsewhere, with a deadline, and ports on which it can happen."""

import asyncio
import fcntl
import itertools
import os
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

LOWEST_PORT, HIGHEST_PORT = 10_000, 32_000
"""Below the ports that the system gives to connections: no client takes one between its choice and its server's start."""
_ports = itertools.count(os.getpid() * 7919)
_locks: list[int] = []


async def eventually(check: Callable[[], Any], seconds: float = 10.0, what: str = "", every: float = 0.0) -> Any:
    """The first truthy result of `check` (which may be async). It is looked at every `every` seconds; without that
    whenever the event loop has moved on, which is for what happens in this process.

    Raises:
        AssertionError: there was none in time.
    """
    deadline = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < deadline:
        result = check()
        if asyncio.iscoroutine(result):
            result = await result
        if result:
            return result
        await asyncio.sleep(every)
    raise _never(what or repr(check), seconds, None)


def until(check: Callable[[], Any], what: str, seconds: float = 30.0, every: float = 0.02) -> Any:
    """The first truthy result of `check`, for what other processes do; while it raises, it is asked again.

    Raises:
        AssertionError: there was none in time.
    """
    deadline, last = time.monotonic() + seconds, None
    while time.monotonic() < deadline:
        try:
            if result := check():
                return result
        except Exception as error:  # noqa: BLE001 - a server that is not there yet fails in its client's own way
            last = error
        # Not `time.sleep`: tests of clocks replace it.
        threading.Event().wait(every)
    raise _never(what, seconds, last)


def _never(what: str, seconds: float, last: Exception | None) -> AssertionError:
    error = AssertionError(f"waited {seconds:g} s in vain for {what}")
    error.__cause__ = last
    return error


def free_port() -> int:
    """A TCP port on loopback that nobody listens on. As long as this process lives no other test process gets it, even
    while the server on it is down to be started again."""
    for number in _ports:
        port = LOWEST_PORT + number % (HIGHEST_PORT - LOWEST_PORT)
        if not _reserved(port):
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue  # somebody listens there who knows nothing of this
            return port
    raise AssertionError  # the numbers have no end


def _reserved(port: int) -> bool:
    """Takes a port for this process by a lock that ends with it; False where another one has it."""
    folder = Path(tempfile.gettempdir()) / "vtp-test-ports"
    folder.mkdir(exist_ok=True)
    lock = os.open(folder / str(port), os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return False
    _locks.append(lock)
    return True
