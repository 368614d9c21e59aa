"""Sends alerts to whoever passes them on to people, and reads what an Alertmanager holds. What the HTTP library raises ends
here.
"""

from typing import Any

import httpx2

from app.core.errors import ConfigurationError, NetworkError, ServiceUnavailableError
from app.core.errors import TimeoutError as OperationTimeout
from app.core.retry import retry_on_transient_error
from app.core.retry_after import wait_asked
from app.core.timing import within

ANSWER_SECONDS = 5.0
LOOK_SECONDS = 2.0
"""A person waits for it, and looks again."""
NAME = "alert receiver"
ALERTMANAGER = "Alertmanager"
NO_ALERTMANAGER = "what answers there is no Alertmanager"


class AlertClient:
    """Posts JSON to one address."""

    def __init__(self, url: str, transport: httpx2.AsyncBaseTransport | None = None) -> None:
        self.url = url
        self._http = httpx2.AsyncClient(transport=transport, trust_env=False)

    @retry_on_transient_error()
    async def send(self, body: Any) -> None:
        """Delivers `body`.

        Raises:
            PlatformError: the receiver cannot be reached in time, or does not take it.
        """
        try:
            response = await self._http.post(self.url, json=body, timeout=within(ANSWER_SECONDS))
        except httpx2.TimeoutException as error:
            raise OperationTimeout("alert", int(ANSWER_SECONDS)) from error
        except httpx2.HTTPError as error:
            raise NetworkError(NAME, error) from error
        if response.status_code == httpx2.codes.TOO_MANY_REQUESTS or response.is_server_error:
            raise ServiceUnavailableError(NAME, wait_asked(response.headers))
        if not response.is_success:
            raise ConfigurationError("VTP_ALERT_URL", f"the receiver answered {response.status_code}")

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.aclose()


class AlertmanagerClient:
    """Reads from one Alertmanager."""

    def __init__(self, url: str, transport: httpx2.AsyncBaseTransport | None = None) -> None:
        self.url = url.rstrip("/")
        self._http = httpx2.AsyncClient(transport=transport, trust_env=False)

    async def held(self) -> list[dict[str, Any]]:
        """The alerts that it holds now, as it tells them; those that are silenced or inhibited too.

        Raises:
            PlatformError: it cannot be reached in time, is not ready, or is no Alertmanager.
        """
        found = await self._get("/api/v2/alerts")
        if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
            raise ConfigurationError("VTP_ALERTMANAGER_URL", "it answered, but no list of alerts")
        return found

    async def version(self) -> str:
        """Its version.

        Raises:
            PlatformError: as `held`.
        """
        found = await self._get("/api/v2/status")
        try:
            return str(found["versionInfo"]["version"])
        except (KeyError, TypeError) as error:
            raise ConfigurationError("VTP_ALERTMANAGER_URL", NO_ALERTMANAGER) from error

    async def _get(self, path: str) -> Any:
        try:
            response = await self._http.get(self.url + path, timeout=within(LOOK_SECONDS))
            if response.is_server_error:
                raise ServiceUnavailableError(ALERTMANAGER, wait_asked(response.headers))
            if not response.is_success:
                raise ConfigurationError("VTP_ALERTMANAGER_URL", f"it answered {response.status_code}")
            return response.json()
        except httpx2.TimeoutException as error:
            raise OperationTimeout(ALERTMANAGER, int(LOOK_SECONDS)) from error
        except httpx2.HTTPError as error:
            raise NetworkError(ALERTMANAGER, error) from error
        except ValueError as error:
            raise ConfigurationError("VTP_ALERTMANAGER_URL", NO_ALERTMANAGER) from error

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.aclose()
