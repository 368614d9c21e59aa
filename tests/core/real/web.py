"""Failures of HTTP and WebSocket clients."""

import asyncio
import json
import urllib.request
from collections.abc import Callable
from typing import Any

from tests.core.real.cases import (
    BROKEN,
    BUSY,
    CONFLICT,
    DENIED,
    GONE_FOR_GOOD,
    LATE,
    MISSING,
    MISUSED,
    NETWORK,
    OWN_POOL,
    REFUSED,
    THROTTLED,
    Expected,
    Servers,
    case,
    patience,
    with_path,
)


def via_httpx(url: str) -> Any:
    import httpx

    with httpx.Client(timeout=patience(url), trust_env=False, follow_redirects=True) as client:
        return client.get(url).raise_for_status().json()


def via_httpx2(url: str) -> Any:
    import httpx2

    with httpx2.Client(timeout=patience(url), trust_env=False, follow_redirects=True) as client:
        return client.get(url).raise_for_status().json()


async def via_httpx2_async(url: str) -> Any:
    import httpx2

    async with httpx2.AsyncClient(timeout=patience(url), trust_env=False, follow_redirects=True) as client:
        return (await client.get(url)).raise_for_status().json()


def via_requests(url: str) -> Any:
    import requests

    with requests.Session() as client:
        client.trust_env = False
        answer = client.get(url, timeout=patience(url))
        answer.raise_for_status()
        return answer.json()


def via_urllib3(url: str) -> Any:
    import urllib3

    with urllib3.PoolManager(timeout=patience(url), retries=urllib3.Retry(0, redirect=3)) as client:
        return client.request("GET", url).json()


def via_urllib3_raw(url: str) -> Any:
    import urllib3

    with urllib3.PoolManager(timeout=patience(url), retries=False) as client:
        return client.request("GET", url).json()


async def via_aiohttp(url: str) -> Any:
    import aiohttp

    limit = aiohttp.ClientTimeout(patience(url))
    async with aiohttp.ClientSession(timeout=limit, raise_for_status=True) as client, client.get(url) as answer:
        return await answer.json()


def via_urllib(url: str) -> Any:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=patience(url)) as answer:
        return json.loads(answer.read())


CLIENTS = [via_httpx, via_httpx2, via_httpx2_async, via_requests, via_urllib3, via_urllib3_raw, via_aiohttp, via_urllib]
RAISING = [via_httpx, via_httpx2, via_requests, via_aiohttp, via_urllib]
FAULTS: list[tuple[str, Expected]] = [
    ("hang", LATE),
    ("close", NETWORK),
    ("reset", NETWORK),
    ("cut", NETWORK),
    ("garbage", NETWORK),
    ("html-200", BUSY),
    ("badgzip", BUSY),
    ("loop", BROKEN),
]
STATUSES: list[tuple[str, Expected, float | None]] = [
    ("status-400", REFUSED, None),
    ("status-401", DENIED, None),
    ("status-402", ("QUOTA_EXCEEDED", False, "neutral"), None),
    ("status-403", DENIED, None),
    ("status-404", MISSING, None),
    ("status-408", LATE, None),
    ("status-409", CONFLICT, None),
    ("status-410", MISSING, None),
    ("status-412", CONFLICT, None),
    ("status-422", REFUSED, None),
    ("status-425", BUSY, None),
    ("status-429-after-7", THROTTLED, 7),
    ("status-429-date-20", THROTTLED, 20),
    ("status-500", BUSY, None),
    ("status-501", BROKEN, None),
    ("html-502", BUSY, None),
    ("status-503-after-3", BUSY, 3),
    ("status-503-date-30", BUSY, 30),
    ("status-503-never", BROKEN, None),
    ("status-504", LATE, None),
    ("status-529-ms-1500", BUSY, 1.5),
]
OTHERWISE: dict[tuple[str, str], Expected | None] = {
    # What some clients do not tell, or tell in another way.
    ("via_urllib3_raw", "loop"): None,  # it hands out the redirect
    ("via_urllib", "badgzip"): None,  # it does not decode; the JSON is then garbled
    ("via_aiohttp", "badgzip"): NETWORK,  # one class for all that goes wrong with a body
}


for _client in CLIENTS:
    _name = _client.__name__.removeprefix("via_")
    for _fault, _expected in FAULTS:
        _other = OTHERWISE.get((_client.__name__, _fault), _expected)
        if _other is not None:
            case(f"{_name}-{_fault}", _other)(with_path(_client, _fault))
    case(f"{_name}-refused", NETWORK)(lambda servers, call=_client: call(f"http://127.0.0.1:{servers('nobody')}/"))
    case(f"{_name}-untrusted", GONE_FOR_GOOD)(lambda servers, call=_client: call(servers("tls").url + "/ok"))
    case(f"{_name}-no-room", LATE)(lambda servers, call=_client: call(f"http://127.0.0.1:{servers('full')}/hang"))
    case(f"{_name}-unknown-host", GONE_FOR_GOOD)(lambda servers, call=_client: call(f"http://{servers('no-host')}/"))
for _client in RAISING:
    for _status, _expected, _after in STATUSES:
        case(f"{_client.__name__.removeprefix('via_')}-{_status}", _expected, _after)(with_path(_client, _status))
for _client in (via_httpx, via_httpx2, via_requests, via_aiohttp):
    case(f"{_client.__name__.removeprefix('via_')}-no-scheme", MISUSED)(lambda _, call=_client: call("nonsense"))


@case("httpx-own-pool-in-a-group", OWN_POOL)
async def _(servers: Servers) -> None:
    import httpx

    limits, patience = httpx.Limits(max_connections=1), httpx.Timeout(2, pool=0.05)
    async with (
        httpx.AsyncClient(limits=limits, timeout=patience, trust_env=False) as client,
        asyncio.TaskGroup() as both,
    ):
        first = both.create_task(client.get(f"{servers('http').url}/hang"))
        await asyncio.sleep(0)
        try:
            await client.get(f"{servers('http').url}/ok")
        finally:
            first.cancel()


@case("urllib3-own-pool", OWN_POOL)
def _(servers: Servers) -> None:
    import urllib3

    with urllib3.HTTPConnectionPool("127.0.0.1", servers("http").server_port, maxsize=1, block=True) as pool:
        held = pool._get_conn()
        try:
            pool.request("GET", "/ok", pool_timeout=0.05, retries=False)
        finally:
            held.close()


@case("requests-too-many-503", BUSY)
def _(servers: Servers) -> None:
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3 import Retry

    with requests.Session() as client:
        client.trust_env = False
        client.mount("http://", HTTPAdapter(max_retries=Retry(1, status_forcelist=[503], backoff_factor=0)))
        client.get(f"{servers('http').url}/status-503", timeout=2)


def _websocket(path: str) -> Callable[[Servers], Any]:
    async def connect(servers: Servers) -> None:
        import websockets

        async with websockets.connect(
            f"ws://127.0.0.1:{servers('http').server_port}/{path}", open_timeout=patience(f"/{path}"), proxy=None
        ):
            pass

    return connect


case("websockets-503", BUSY, 3)(_websocket("status-503-after-3"))
case("websockets-401", DENIED)(_websocket("status-401"))
case("websockets-garbage", NETWORK)(_websocket("garbage"))
case("websockets-hang", LATE)(_websocket("hang"))
case("websockets-close", NETWORK)(_websocket("close"))
