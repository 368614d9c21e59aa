"""Live events of one job over a WebSocket."""

import asyncio
from contextlib import aclosing, suppress
from typing import Annotated

import orjson
from fastapi import APIRouter, Query, WebSocket, WebSocketDisconnect

from app.api.deps import PlatformDep
from app.core.errors import PlatformError, UnexpectedError
from app.core.logging import get_logger
from app.core.metrics import track_error
from app.core.responses import public
from app.db.repositories import jobs

router = APIRouter()
logger = get_logger(__name__)
POLICY_VIOLATION = 1008
INTERNAL_ERROR = 1011
REASON_BYTES = 123


def close_reason(text: str) -> str:
    """`text` cut to what a close frame may carry, at a whole character."""
    return text.encode()[:REASON_BYTES].decode(errors="ignore")


@router.websocket("/ws/training-jobs/{job_id}")
async def training_websocket(
    websocket: WebSocket, job_id: str, platform: PlatformDep, since: Annotated[int, Query(ge=0)] = 0
) -> None:
    """Sends every event of the job after `since`, then what comes; whoever may not look is not let in.

    Messages carry `seq`; after a break, connecting again with the last one seen loses nothing.
    """
    if not platform.guard.is_user(websocket):
        await websocket.close(POLICY_VIOLATION, close_reason("token invalid or missing"))
        return
    await websocket.accept()
    try:
        await platform.db.read(lambda session: jobs.get_job(session, job_id))
        await _serve(websocket, job_id, platform, since)
    except WebSocketDisconnect:
        return
    except PlatformError as error:
        await _fail(websocket, error, POLICY_VIOLATION if error.code == "NOT_FOUND" else INTERNAL_ERROR)
    except Exception as error:
        logger.exception("websocket failed", job_id=job_id)
        await _fail(websocket, UnexpectedError(error), INTERNAL_ERROR)


async def _serve(websocket: WebSocket, job_id: str, platform: PlatformDep, since: int) -> None:
    """Sends until the watcher leaves."""
    sending = asyncio.create_task(_send(websocket, job_id, platform, since))
    leaving = asyncio.create_task(_drain(websocket))
    done, pending = await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
        with suppress(asyncio.CancelledError, WebSocketDisconnect):
            await task
    for task in done:
        task.result()


async def _send(websocket: WebSocket, job_id: str, platform: PlatformDep, since: int) -> None:
    async with aclosing(platform.hub.stream(platform.db, job_id, since)) as events:
        async for event in events:
            await websocket.send_text(event.decode())


async def _drain(websocket: WebSocket) -> None:
    """Reads and drops what the watcher sends, to notice that it left."""
    while True:
        await websocket.receive_text()


async def _fail(websocket: WebSocket, error: PlatformError, code: int) -> None:
    """Tells the watcher why it ends, in the one public form."""
    track_error(error, "websocket")
    body = public(error)
    with suppress(WebSocketDisconnect, RuntimeError):
        await websocket.send_text(orjson.dumps({"type": "error", "fatal": True, "error": body}).decode())
        await websocket.close(code, close_reason(body["message"]))
