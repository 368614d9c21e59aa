"""The command line's way to the backend: where it is, the token, requests, errors."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx2

    from app.core.errors import PlatformError

PREFIX = "/api/v1"
READ_SIZE = 1 << 20
CONNECT_SECONDS, TIMEOUT_SECONDS = 5.0, 60.0


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
        return (url or str(found["url"])).rstrip("/"), token or str(found["token"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise not_running(error) from error


def not_running(cause: Exception) -> "PlatformError":
    """The error of a platform that does not answer."""
    from app.core.errors import PlatformError

    return PlatformError.from_code("SERVICE_UNAVAILABLE", {"service": "The platform"}, cause=cause)


def timeout_seconds() -> float:
    """How long an answer may take: ``VTP_TIMEOUT``, else a minute."""
    try:
        return float(os.environ.get("VTP_TIMEOUT") or TIMEOUT_SECONDS)
    except ValueError:
        return TIMEOUT_SECONDS


def refusal(status: int, content: bytes) -> Exception:
    """What an answer that is an error is raised as: ours in our form, anything else as a platform that is not there."""
    try:
        return ApiFailure(dict(json.loads(content)["error"]), status)
    except (ValueError, KeyError, TypeError) as cause:
        return not_running(cause)


_opened: "list[httpx2.Client]" = []


def close_connections() -> None:
    """Ends what `Api` opened; called once, at the end of a command."""
    while _opened:
        _opened.pop().close()


class Api:
    """Requests to the backend; every refusal is an `ApiFailure`."""

    def __init__(self) -> None:
        import httpx2

        self.url, self.token = locate()
        self._errors = httpx2.HTTPError
        self._patient = httpx2.Timeout(None, connect=CONNECT_SECONDS)
        self._http = httpx2.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=httpx2.Timeout(timeout_seconds(), connect=CONNECT_SECONDS),
            trust_env=False,
        )
        _opened.append(self._http)

    def call(self, method: str, path: str, **options: Any) -> Any:
        """The JSON answer of a request below ``/api/v1``.

        Raises:
            ApiFailure: the backend refused.
            PlatformError: SERVICE_UNAVAILABLE where it does not answer, or something else does.
        """
        try:
            response = self._http.request(method, PREFIX + path, **options)
        except self._errors as error:
            raise not_running(error) from error
        _check(response)
        try:
            return response.json() if response.content else None
        except ValueError as error:
            raise not_running(error) from error

    def upload(self, path: str, content: Iterator[bytes], size: int, params: dict[str, str], media_type: str) -> Any:
        """Sends a file's content as the body; `size` in bytes.

        Raises:
            ApiFailure: the backend refused.
            PlatformError: SERVICE_UNAVAILABLE where it does not answer.
        """
        headers = {"Content-Type": media_type, "Content-Length": str(size)}
        return self.call("POST", path, params=params, content=content, headers=headers, timeout=self._patient)

    def stream(self, path: str, **params: Any) -> Iterator[bytes]:
        """The content of the answer to a GET, in pieces.

        Raises:
            ApiFailure: the backend refused.
            PlatformError: SERVICE_UNAVAILABLE where it does not answer, or not to the end.
        """
        try:
            with self._http.stream(
                "GET", PREFIX + path, params=params, timeout=self._patient, follow_redirects=True
            ) as response:
                if response.is_error:
                    response.read()
                _check(response)
                yield from response.iter_bytes()
        except self._errors as error:
            raise not_running(error) from error

    def download(self, path: str, target: Path, **params: Any) -> int:
        """Writes the answer of a GET to `target`, whole or not at all; its size in bytes.

        Raises:
            ApiFailure: the backend refused.
            PlatformError: SERVICE_UNAVAILABLE where it does not answer, or not to the end.
            OSError: the file cannot be written.
        """
        part = target.with_name(target.name + ".part")
        try:
            with part.open("wb") as file:
                for chunk in self.stream(path, **params):
                    file.write(chunk)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
        return target.stat().st_size


def read_file(file: Path) -> Iterator[bytes]:
    """A file's content in pieces."""
    with file.open("rb") as source:
        while chunk := source.read(READ_SIZE):
            yield chunk


def _check(response: "httpx2.Response") -> None:
    if response.is_error:
        raise refusal(response.status_code, response.content)
