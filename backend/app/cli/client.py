"""The command line's way to the backend: where it is, the token, requests, errors."""

import json
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.core.errors import PlatformError

if TYPE_CHECKING:
    import httpx2

PREFIX = "/api/v1"
READ_SIZE = 1 << 20


class ApiFailure(Exception):
    """The backend's refusal: `error` is its public error object, `status` the HTTP status."""

    def __init__(self, error: dict[str, Any], status: int) -> None:
        super().__init__(error.get("message", ""))
        self.error = error
        self.status = status


def home() -> Path:
    """The folder of the local installation."""
    return Path(os.environ.get("VTP_HOME") or Path.home() / ".vtp").expanduser()


def server_file() -> Path:
    """Where a running `vtp up` or `vtp serve` says how to reach it."""
    return home() / "server.json"


def locate() -> tuple[str, str]:
    """Address and token: from ``VTP_URL`` and ``VTP_TOKEN``, else of the platform that runs here.

    Raises:
        PlatformError: SERVICE_UNAVAILABLE where none runs.
    """
    url, token = os.environ.get("VTP_URL"), os.environ.get("VTP_TOKEN")
    if url and token:
        return url.rstrip("/"), token
    try:
        found = json.loads(server_file().read_text())
        return url or str(found["url"]), token or str(found["token"])
    except (OSError, ValueError, KeyError) as error:
        raise not_running(error) from error


def not_running(cause: Exception) -> PlatformError:
    """The error of a platform that does not answer."""
    return PlatformError.from_code("SERVICE_UNAVAILABLE", {"service": "the platform"}, cause=cause)


class Api:
    """Requests to the backend; every refusal is an `ApiFailure`."""

    def __init__(self) -> None:
        import httpx2

        self.url, self.token = locate()
        self._http = httpx2.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=httpx2.Timeout(30, connect=5),
            trust_env=False,
        )

    def call(self, method: str, path: str, **options: Any) -> Any:
        """The JSON answer of a request below ``/api/v1``.

        Raises:
            ApiFailure: the backend refused.
            PlatformError: SERVICE_UNAVAILABLE where it does not answer.
        """
        import httpx2

        try:
            response = self._http.request(method, PREFIX + path, **options)
        except httpx2.HTTPError as error:
            raise not_running(error) from error
        _check(response)
        return response.json() if response.content else None

    def upload(self, path: str, file: Path, params: dict[str, str], media_type: str) -> Any:
        """Sends a file as the body.

        Raises:
            ApiFailure: the backend refused.
            PlatformError: SERVICE_UNAVAILABLE where it does not answer.
        """
        headers = {"Content-Type": media_type, "Content-Length": str(file.stat().st_size)}
        return self.call("POST", path, params=params, content=_read(file), headers=headers, timeout=None)

    def download(self, path: str, target: Path) -> int:
        """Writes the answer of a GET to `target`, whole or not at all; its size in bytes.

        Raises:
            ApiFailure: the backend refused.
            PlatformError: SERVICE_UNAVAILABLE where it does not answer.
        """
        import httpx2

        part = target.with_name(target.name + ".part")
        try:
            with self._http.stream("GET", PREFIX + path) as response, part.open("wb") as file:
                if response.is_error:
                    response.read()
                _check(response)
                for chunk in response.iter_bytes():
                    file.write(chunk)
        except httpx2.HTTPError as error:
            raise not_running(error) from error
        finally:
            if part.exists() and part.stat().st_size == 0:
                part.unlink()
        part.replace(target)
        return target.stat().st_size

    async def events(self, job_id: str, since: int) -> AsyncIterator[dict[str, Any]]:
        """Live events of a job after `since`; connects again by itself and goes on where it was."""
        from websockets.asyncio.client import connect
        from websockets.exceptions import ConnectionClosed

        address = self.url.replace("http", "ws", 1) + f"/ws/training-jobs/{job_id}"
        headers = {"Authorization": f"Bearer {self.token}"}
        seq = since
        async for socket in connect(f"{address}?since={seq}", additional_headers=headers, proxy=None):
            try:
                async for text in socket:
                    event = json.loads(text)
                    if event["type"] != "ready" and event.get("seq", seq + 1) <= seq:
                        continue
                    seq = event.get("seq", seq)
                    yield event
            except ConnectionClosed:
                continue


def _read(file: Path) -> Iterator[bytes]:
    with file.open("rb") as source:
        while chunk := source.read(READ_SIZE):
            yield chunk


def _check(response: "httpx2.Response") -> None:
    if not response.is_error:
        return
    try:
        error = response.json()["error"]
    except (ValueError, KeyError, TypeError) as cause:
        raise not_running(cause) from cause
    raise ApiFailure(error, response.status_code)
