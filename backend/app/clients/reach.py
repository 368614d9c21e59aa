"""Whether somebody takes connections at an address, for what tells no version and must not be asked more: each real call
there would be an event, an alert, or money."""

import asyncio
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from app.core.errors import NetworkError
from app.core.errors import TimeoutError as OperationTimeout

SECONDS = 2.0
PORTS = {"http": 80, "https": 443}


def through(url: str) -> str:
    """The address that a client which heeds the environment's proxies connects to."""
    parts = urlsplit(url)
    proxy = getproxies().get(parts.scheme)
    if proxy is None or proxy_bypass(parts.hostname or ""):
        return url
    return proxy if "://" in proxy else f"http://{proxy}"


async def takes_connections(url: str, service: str) -> None:
    """Opens a connection to the address and closes it; nothing is sent.

    Raises:
        NetworkError: nobody listens there, or the name is unknown.
        OperationTimeout: no answer in `SECONDS`.
    """
    parts = urlsplit(url)
    try:
        async with asyncio.timeout(SECONDS):
            _, writer = await asyncio.open_connection(parts.hostname, parts.port or PORTS.get(parts.scheme, 443))
    except TimeoutError as error:
        raise OperationTimeout("connection", int(SECONDS)) from error
    except OSError as error:
        raise NetworkError(service, error) from error
    writer.transport.abort()
