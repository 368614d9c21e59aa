"""The live view of a job: who may look, how it goes on after a break, how it ends."""

import asyncio
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from app.api.deps import Platform
from app.websocket import hub as hub_module
from tests.asgi import SECONDS, Socket
from tests.conftest import SECRET, TOKEN, TrainerService
from tests.contract.shape import assert_public_error

JOBS = "/api/v1/training-jobs"
BODY: dict[str, Any] = {"model": "yolo11n", "dataset_id": "test-dataset", "epochs": 3}


@pytest.fixture
async def job(client: httpx.AsyncClient, mock_trainer_service: TrainerService) -> tuple[str, dict[str, str]]:
    """A job that runs, and its attempt's credentials."""
    job_id = (await client.post(JOBS, json=BODY)).json()["job_id"]
    headers = {"Authorization": f"Bearer {mock_trainer_service.specs[-1]['token']}"}
    await tell(client, (job_id, headers), {"phase": "data"}, first=1)
    return job_id, headers


async def tell(client: httpx.AsyncClient, job: tuple[str, dict[str, str]], *bodies: dict[str, Any], first: int) -> None:
    updates = [{"status": "running", "attempt": 1, "seq": first + number, **body} for number, body in enumerate(bodies)]
    response = await client.post(f"{JOBS}/{job[0]}/callback", json=updates, headers=job[1])
    assert response.status_code == 200, response.text


def log(text: str) -> dict[str, Any]:
    return {"log": {"offset": 0, "text": text}}


def path(job_id: str) -> str:
    return f"/ws/training-jobs/{job_id}"


async def test_who_may_not_look_is_not_let_in(app: FastAPI, job: tuple[str, dict[str, str]]) -> None:
    attempt = job[1]["Authorization"].removeprefix("Bearer ")
    for token, status in ((None, 401), ("wrong", 401), (SECRET, 403), (attempt, 403)):
        async with Socket(app, path(job[0]), token=token) as watcher:
            assert (await watcher.denied())[0] == status
    assert app.state.platform.hub._channels == {}


async def test_a_browser_is_let_in_by_its_cookie_from_our_own_page_only(
    app: FastAPI, anonymous: httpx.AsyncClient, job: tuple[str, dict[str, str]]
) -> None:
    opened = await anonymous.get(f"/?token={TOKEN}")
    cookie = opened.headers["set-cookie"].partition(";")[0]
    async with Socket(app, path(job[0]), cookie=cookie, origin="http://backend.test") as watcher:
        assert watcher.begun["type"] == "websocket.accept"
    async with Socket(app, path(job[0]), cookie=cookie, origin="http://evil.test") as watcher:
        assert (await watcher.denied())[0] == 401
    async with Socket(app, path(job[0]), query=f"token={TOKEN}") as watcher:
        assert watcher.begun["type"] == "websocket.accept"


async def test_events_come_numbered_and_go_on_after_a_break(
    app: FastAPI, client: httpx.AsyncClient, job: tuple[str, dict[str, str]]
) -> None:
    async with Socket(app, path(job[0]), token=TOKEN) as watcher:
        past = await watcher.until_ready()
        assert [event["seq"] for event in past] == list(range(1, len(past) + 1))
        assert past[0] == {"type": "state", "status": "queued", "seq": 1, "attempt": 0, "at": past[0]["at"]}
        await tell(client, job, log("a\n"), first=2)
        assert (await watcher.event())["text"] == "a\n"
        seen = past[-1]["seq"] + 1
    await tell(client, job, log("b\n"), log("c\n"), first=3)
    async with Socket(app, path(job[0]), query=f"since={seen}", token=TOKEN) as watcher:
        missed = await watcher.until_ready()
        assert [(event["seq"], event["text"]) for event in missed] == [(seen + 1, "b\n"), (seen + 2, "c\n")]
        await tell(client, job, log("d\n"), first=5)
        assert (await watcher.event())["text"] == "d\n"


async def test_the_trace_of_a_connection_is_said_when_it_is_accepted(app: FastAPI, job: tuple[str, dict[str, str]]) -> None:
    async with Socket(app, path(job[0]), token=TOKEN) as watcher:
        assert [name for name, _ in watcher.begun["headers"]] == [b"server-timing"]


async def test_an_unknown_job_is_told_and_the_connection_ends(app: FastAPI) -> None:
    async with Socket(app, path("J-404"), token=TOKEN) as watcher:
        event, end = await watcher.event(), await watcher.next()
    assert (event["type"], event["fatal"], event["error"]["code"]) == ("error", True, "NOT_FOUND")
    assert_public_error(event["error"])
    assert (end["code"], end["reason"]) == (1008, "There is no job `J-404`.")


async def test_the_error_that_ends_a_job_is_the_one_that_the_job_shows(
    app: FastAPI, client: httpx.AsyncClient, job: tuple[str, dict[str, str]]
) -> None:
    async with Socket(app, path(job[0]), token=TOKEN) as watcher:
        await watcher.until_ready()
        failure = {"status": "failed", "error": {"code": "INVALID_MODEL", "details": {"model": "nothing"}}}
        await tell(client, job, failure, first=2)
        events = {}
        while "state" not in events:
            event = await watcher.event()
            events[event["type"]] = event
    shown = (await client.get(f"{JOBS}/{job[0]}")).json()["error"]
    assert events["error"]["fatal"] is True
    assert events["error"]["error"] == shown
    assert_public_error(shown)
    assert events["state"]["status"] == "failed"


async def test_a_slow_watcher_holds_nobody_up_and_misses_nothing(
    app: FastAPI, client: httpx.AsyncClient, job: tuple[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "REMEMBERED", 5)
    async with Socket(app, path(job[0]), token=TOKEN) as slow, Socket(app, path(job[0]), token=TOKEN) as quick:
        await slow.until_ready()
        await quick.until_ready()
        slow.gate.clear()
        for number in range(30):
            await tell(client, job, log(f"{number}\n"), first=2 + number)
        texts = [f"{number}\n" for number in range(30)]
        assert [(await quick.event())["text"] for _ in texts] == texts
        assert slow.sent.qsize() == 0
        slow.gate.set()
        assert [(await slow.event())["text"] for _ in texts] == texts


async def test_a_hundred_watchers_see_the_same_and_leave_nothing_behind(
    app: FastAPI, client: httpx.AsyncClient, platform: Platform, job: tuple[str, dict[str, str]]
) -> None:
    watchers = [Socket(app, path(job[0]), token=TOKEN) for _ in range(100)]
    for watcher in watchers:
        await watcher.__aenter__()
    for watcher in watchers:
        await watcher.until_ready()
    await tell(client, job, *(log(f"{number}\n") for number in range(20)), first=2)
    seen = [[(await watcher.event())["seq"] for _ in range(20)] for watcher in watchers]
    assert len({tuple(one) for one in seen}) == 1
    for watcher in watchers:
        await watcher.__aexit__(None, None, None)
    assert platform.hub._channels == {}


async def test_what_a_watcher_says_is_not_an_order(
    app: FastAPI, client: httpx.AsyncClient, job: tuple[str, dict[str, str]]
) -> None:
    async with Socket(app, path(job[0]), token=TOKEN) as watcher:
        await watcher.until_ready()
        watcher.given.put_nowait({"type": "websocket.receive", "text": '{"status": "failed"}'})
        await tell(client, job, log("on\n"), first=2)
        assert (await watcher.event())["text"] == "on\n"
    assert (await client.get(f"{JOBS}/{job[0]}")).json()["status"] == "running"


async def test_over_a_real_connection_a_refused_handshake_has_a_body(app: FastAPI) -> None:
    from websockets.asyncio.client import connect
    from websockets.exceptions import InvalidStatus

    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_level="critical", port=0))
    serving = asyncio.create_task(server.serve())
    async with asyncio.timeout(SECONDS):
        while not server.started:
            await asyncio.sleep(0)
        port = server.servers[0].sockets[0].getsockname()[1]
        with pytest.raises(InvalidStatus) as caught:
            await connect(f"ws://127.0.0.1:{port}{path('J-1')}", proxy=None)
        server.should_exit = True
        await serving
    response = caught.value.response
    assert response.status_code == 401
    assert response.headers["X-Error-Code"] == "INVALID_TOKEN"
    assert b'"code":"INVALID_TOKEN"' in bytes(response.body or b"")
