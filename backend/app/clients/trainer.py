"""Calls to agents. What the HTTP library raises ends here."""

from collections.abc import Callable
from typing import Any

import httpx2

from app.core.circuit_breaker import CircuitBreaker
from app.core.errors import NetworkError, PlatformError, ServiceUnavailableError
from app.core.errors import TimeoutError as OperationTimeout
from app.core.policies import TRAINER
from app.core.retry import retry_trainer_service
from app.core.retry_after import wait_asked
from app.core.spans import span
from app.core.timing import within
from app.core.tracing import current_traceparent

CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 10.0


class TrainerClient:
    """Speaks to the agents' intake. One breaker an agent: a dead machine does not bar the way to the others."""

    def __init__(self, secret: str, transport: httpx2.AsyncBaseTransport | None = None) -> None:
        self._http = httpx2.AsyncClient(
            headers={"Authorization": f"Bearer {secret}"},
            transport=transport,
            trust_env=False,
        )
        self._breakers: dict[str, CircuitBreaker] = {}
        self.on_breaker: Callable[[CircuitBreaker], None] | None = None
        """Called with each new breaker, to share it with other backends."""

    def breaker(self, url: str) -> CircuitBreaker:
        """The breaker of the agent at `url`."""
        if url not in self._breakers:
            self._breakers[url] = TRAINER.breaker(f"trainer {url}")
            if self.on_breaker is not None:
                self.on_breaker(self._breakers[url])
        return self._breakers[url]

    def forget(self, url: str) -> None:
        """The agent at `url` has told of itself: what was held against it is past."""
        if url in self._breakers and self._breakers[url].state != "CLOSED":
            self._breakers[url].reset()

    async def start(self, url: str, spec: dict[str, Any]) -> bool:
        """Hands an attempt to an agent; the same attempt twice is one. False: the agent has no free slot.

        Raises:
            PlatformError: TRAINER_UNREACHABLE where the agent cannot be talked to, or what the agent answered.
        """
        try:
            response = await self._call(url, "POST", "/attempts", spec)
        except (NetworkError, ServiceUnavailableError, OperationTimeout) as error:
            details = {"retry_after": error.retry_after} if error.retry_after else {}
            raise PlatformError.from_code("TRAINER_UNREACHABLE", details, cause=error) from error
        return response.status_code != httpx2.codes.CONFLICT

    async def cancel(self, url: str, job_id: str, attempt: int, reason: str) -> bool:
        """Asks an agent to stop an attempt; False where it does not have it.

        Raises:
            PlatformError: the agent cannot be talked to, or refuses.
        """
        response = await self._call(url, "POST", f"/attempts/{job_id}/{attempt}/cancel", {"reason": reason})
        return response.status_code != httpx2.codes.NOT_FOUND

    async def answers(self, url: str) -> None:
        """Asks an agent whether it is there, once and beside its breaker.

        Raises:
            PlatformError: TRAINER_UNREACHABLE: nothing answers.
        """
        try:
            await self._http.get(url.rstrip("/") + "/health", timeout=CONNECT_SECONDS)
        except httpx2.HTTPError as error:
            raise PlatformError.from_code("TRAINER_UNREACHABLE", cause=error) from error

    @retry_trainer_service()
    async def _call(self, url: str, method: str, path: str, body: dict[str, Any]) -> httpx2.Response:
        return await self.breaker(url).call(self._send, url, method, path, body)

    async def _send(self, url: str, method: str, path: str, body: dict[str, Any]) -> httpx2.Response:
        with span(method, "client", http_request_method=method, url_full=url.rstrip("/") + path):
            return await self._judged(url, method, path, body)

    async def _judged(self, url: str, method: str, path: str, body: dict[str, Any]) -> httpx2.Response:
        try:
            timeout = httpx2.Timeout(within(ANSWER_SECONDS), connect=within(CONNECT_SECONDS))
            headers = {"traceparent": current_traceparent()}
            target = url.rstrip("/") + path
            response = await self._http.request(method, target, json=body, headers=headers, timeout=timeout)
        except httpx2.TimeoutException as error:
            raise OperationTimeout("trainer call", int(ANSWER_SECONDS)) from error
        except httpx2.HTTPError as error:
            raise NetworkError("trainer", error) from error
        code = response.status_code
        if code in (httpx2.codes.TOO_MANY_REQUESTS, httpx2.codes.SERVICE_UNAVAILABLE, httpx2.codes.BAD_GATEWAY):
            raise ServiceUnavailableError("trainer", wait_asked(response.headers))
        if code in (httpx2.codes.UNAUTHORIZED, httpx2.codes.FORBIDDEN):
            # Whoever submitted has nothing to do with the secret that backend and agents share.
            raise NetworkError("trainer", RuntimeError(f"answered {code}: it was given another secret (VTP_AGENT_SECRET)"))
        if code >= httpx2.codes.INTERNAL_SERVER_ERROR:
            raise NetworkError("trainer", RuntimeError(f"answered {code}"))
        if code in (httpx2.codes.CONFLICT, httpx2.codes.NOT_FOUND) or code < httpx2.codes.BAD_REQUEST:
            return response
        raise _refusal(response)

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.aclose()


def _refusal(response: httpx2.Response) -> PlatformError:
    """What an agent that understood and said no meant."""
    try:
        told = response.json()["error"]
        return PlatformError.from_code(str(told["code"]), {"details": str(told.get("message", ""))})
    except (ValueError, KeyError, TypeError) as error:
        details = {"details": f"the agent answered {response.status_code}"}
        return PlatformError.from_code("SYSTEM_ERROR", details, cause=error)
