"""The table of failures that the real libraries raise, each with what has to be made of it.

A case provokes one exception. The expectation beside it was written from what the failure means, not from what the code
says. The modules beside this one enter their cases when they are imported.
"""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

NETWORK = ("NETWORK_ERROR", True, "failure")
GONE_FOR_GOOD = ("NETWORK_ERROR", False, "failure")
LATE = ("OPERATION_TIMEOUT", True, "failure")
BUSY = ("SERVICE_UNAVAILABLE", True, "failure")
BROKEN = ("SERVICE_UNAVAILABLE", False, "failure")
THROTTLED = ("SERVICE_UNAVAILABLE", True, "neutral")
OWN_POOL = ("OPERATION_TIMEOUT", True, "neutral")
REFUSED = ("INVALID_CONFIG", False, "success")
DENIED = ("INSUFFICIENT_PERMISSIONS", False, "success")
MISSING = ("NOT_FOUND", False, "success")
CONFLICT = ("CONFLICT", False, "success")
MISUSED = ("SYSTEM_ERROR", False, "neutral")
DATA = ("DATASET_BROKEN", False, "neutral")
DB_ANSWERED = ("DATABASE_ERROR", False, "success")
DB_CONTENDED = ("DATABASE_ERROR", True, "success")
DB_AWAY = ("DATABASE_ERROR", True, "failure")
DB_BROKEN = ("DATABASE_ERROR", False, "failure")
S3_REFUSED = ("STORAGE_ERROR", False, "success")
LLM_AWAY = ("LLM_UNAVAILABLE", True, "failure")
LLM_THROTTLED = ("LLM_UNAVAILABLE", True, "neutral")
LLM_REFUSED = ("LLM_UNAVAILABLE", False, "success")
TRACKER_AWAY = ("MLFLOW_UNAVAILABLE", True, "failure")
TRACKER_REFUSED = ("MLFLOW_UNAVAILABLE", False, "success")
BRIEF = 0.25
"""Seconds that clients wait for servers that are meant to hang."""
PATIENT = 20.0
"""Seconds that they wait for all others, however busy the machine is."""

Expected = tuple[str, bool, str]
Servers = Callable[[str], Any]


@dataclass(frozen=True)
class Case:
    """One failure: how to provoke it, what it means, and the seconds that the other side asks to wait."""

    name: str
    provoke: Callable[[Servers], Any]
    expected: Expected
    after: float | None = None


CASES: list[Case] = []


def case(name: str, expected: Expected, after: float | None = None) -> Callable[[Callable[[Servers], Any]], Any]:
    """Enters a function that raises (or, async, is run and raises) into the table."""

    def enter(provoke: Callable[[Servers], Any]) -> Any:
        CASES.append(Case(name, provoke, expected, after))
        return provoke

    return enter


def raised(found: Case, servers: Servers) -> BaseException:
    """The exception that a case provokes.

    Raises:
        AssertionError: there was none.
    """
    try:
        outcome = found.provoke(servers)
        if asyncio.iscoroutine(outcome):
            asyncio.run(outcome)
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is what was asked for
        return error
    message = f"{found.name} provoked nothing"
    raise AssertionError(message)


def patience(url: str) -> float:
    """How long a client of this address waits: briefly where the server is meant to hang."""
    return BRIEF if "/hang" in url else PATIENT


def with_path(client: Callable[[str], Any], path: str) -> Callable[[Servers], Any]:
    """A call of `client` to the server that fails as the path says."""
    return lambda servers: client(f"{servers('http').url}/{path}/x")


def unresolvable() -> str | None:
    """A name that this machine's resolver knows not to exist; None where it cannot tell (no name service at all)."""
    try:
        socket.getaddrinfo("no-such-host.invalid", 80)
    except socket.gaierror as error:
        known = (socket.EAI_NONAME, socket.EAI_NODATA)
        return "no-such-host.invalid" if error.errno in known else None
    return None
