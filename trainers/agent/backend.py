"""The agent's way to the backend. Whatever the HTTP library raises becomes one of three answers here."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from trainers.agent.spans import traceparent

CHUNK = 1 << 18


LONGEST_ASKED = 30.0
"""A backend that asks to be left alone for longer is asked again all the same: who is silent counts as lost."""


class BackendAway(Exception):
    """The backend cannot be reached, or not now: try again later, and not before `wait` seconds."""

    def __init__(self, message: str, wait: float = 0.0) -> None:
        super().__init__(message)
        self.wait = wait


class BackendRefuses(Exception):
    """The backend answers, and says no for good."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code


class UnknownAttempt(BackendRefuses):
    """The backend does not know the attempt, or no longer wants to hear of it."""


@dataclass(frozen=True, slots=True)
class Reply:
    """Up to which number updates are stored, and whether the attempt has ended for the backend."""

    last_seq: int
    final: bool


def sha256_of(path: Path) -> tuple[str, int]:
    """SHA-256 in hexadecimal and size in bytes of a file."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return digest.hexdigest(), size


async def _content(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def _headers(token: str, *, sampled: bool) -> dict[str, str]:
    here = traceparent(sampled=sampled)
    return {"Authorization": f"Bearer {token}", **({"traceparent": here} if here else {})}


def _error(response: httpx2.Response) -> dict[str, Any]:
    try:
        found: dict[str, Any] = response.json()["error"]
    except (ValueError, KeyError, TypeError):
        return {}
    return found


def _wait_asked(response: httpx2.Response) -> float:
    """Seconds for which the backend asks to be left alone; 0 where it does not."""
    try:
        asked = float(response.headers.get("retry-after", "0"))
    except ValueError:
        return 0.0  # a date: the clocks of two machines are no measure of seconds
    return min(asked, LONGEST_ASKED) if asked > 0 else 0.0


def _judge(response: httpx2.Response) -> None:
    """Lets a good answer pass.

    Only the backend itself can refuse: what another server (a proxy, a page that stands in for it) says at its address is
    no verdict, and must not end a training.

    Raises:
        BackendAway: a passing failure, or not the backend.
        UnknownAttempt: 401 or 404.
        BackendRefuses: any other refusal.
    """
    status = response.status_code
    if status < httpx2.codes.BAD_REQUEST:
        return
    error = _error(response)
    message = f"answered {status}"
    passing = status >= httpx2.codes.INTERNAL_SERVER_ERROR or status == httpx2.codes.TOO_MANY_REQUESTS
    if passing or not error.get("code"):
        raise BackendAway(message, _wait_asked(response))
    kind = UnknownAttempt if status in (httpx2.codes.UNAUTHORIZED, httpx2.codes.NOT_FOUND) else BackendRefuses
    raise kind(status, str(error.get("code", "")), str(error.get("message", message)))


class Backend:
    """Requests to the backend: callbacks, uploads, downloads, the agent's own report."""

    def __init__(self, url: str, secret: str, transport: httpx2.AsyncBaseTransport | None = None) -> None:
        self.url = url.rstrip("/")
        self.secret = secret
        timeout = httpx2.Timeout(30, connect=3)
        self._http = httpx2.AsyncClient(timeout=timeout, transport=transport, trust_env=False)

    def here(self, url: str) -> str:
        """`url` of an assignment at the backend's present address: it may have moved since the attempt was begun."""
        mine, theirs = httpx2.URL(self.url), httpx2.URL(url)
        return str(theirs.copy_with(scheme=mine.scheme, host=mine.host, port=mine.port))

    @asynccontextmanager
    async def _stream(self, method: str, url: str, token: str, **options: Any) -> AsyncIterator[httpx2.Response]:
        headers = {**_headers(token, sampled=True), **options.pop("headers", {})}
        try:
            async with self._http.stream(method, self.here(url), headers=headers, **options) as response:
                if response.is_error:
                    await response.aread()
                _judge(response)
                yield response
        except httpx2.HTTPError as error:
            raise BackendAway(str(error) or type(error).__name__) from error

    async def _request(self, method: str, url: str, token: str, **options: Any) -> Any:
        async with self._stream(method, url, token, **options) as response:
            await response.aread()
            try:
                return response.json()
            except ValueError as error:
                # Something that is not the backend answers at its address.
                message = "the answer is not JSON"
                raise BackendAway(message) from error

    async def report(self, agent_id: str, body: dict[str, Any]) -> list[tuple[str, int]]:
        """Registers the agent; the attempts it has to let go.

        Raises:
            BackendAway, BackendRefuses: as they say.
        """
        answer = await self._request("PUT", f"{self.url}/api/v1/agents/{agent_id}", self.secret, json=body)
        return [(item["job_id"], int(item["attempt"])) for item in answer.get("release", ())]

    async def post(self, url: str, token: str, updates: list[dict[str, Any]]) -> Reply:
        """Delivers updates. Where one before them is missing, `last_seq` of the reply says from where to go on.

        What is told over and over while a training runs is left out of its recorded trace.

        Raises:
            BackendAway, UnknownAttempt, BackendRefuses: as they say.
        """
        headers = _headers(token, sampled=any(update.get("status") != "running" or "phase" in update for update in updates))
        try:
            response = await self._http.post(self.here(url), json=updates, headers=headers)
        except httpx2.HTTPError as error:
            raise BackendAway(str(error) or type(error).__name__) from error
        expected = _error(response).get("params", {}).get("expected_seq") if response.is_error else None
        if response.status_code == httpx2.codes.CONFLICT and isinstance(expected, int):
            return Reply(expected - 1, final=False)
        _judge(response)
        try:
            answer = response.json()
            return Reply(int(answer["last_seq"]), bool(answer["final"]))
        except (ValueError, KeyError, TypeError) as error:
            message = "the answer is not a callback's"
            raise BackendAway(message) from error

    async def upload(self, url: str, token: str, path: Path, note: dict[str, Any]) -> None:
        """Sends a file; `note` has its name, sha256, bytes, media_type, role and epoch.

        Raises:
            BackendAway, UnknownAttempt, BackendRefuses: as they say.
        """
        headers = {
            "X-Content-SHA256": note["sha256"],
            "Content-Type": note["media_type"],
            "Content-Length": str(note["bytes"]),
            "X-Artifact-Role": note["role"],
        }
        if note.get("epoch") is not None:
            headers["X-Artifact-Epoch"] = str(note["epoch"])
        await self._request("PUT", f"{url}/{note['name']}", token, content=_content(path), headers=headers, timeout=300)

    @asynccontextmanager
    async def download(self, url: str, token: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """The content behind `url`, from the object store itself where the backend sends us there.

        Raises:
            BackendAway, UnknownAttempt, BackendRefuses: as they say.
        """
        direct = httpx2.URL(url).copy_set_param("direct", "true")
        async with self._stream("GET", str(direct), token, timeout=300, follow_redirects=True) as response:
            yield response.aiter_bytes(CHUNK)

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.aclose()
