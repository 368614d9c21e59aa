"""Live events of one job over a WebSocket."""

import asyncio
from contextlib import aclosing, suppress
from typing import Annotated

from fastapi import APIRouter, Query, WebSocket, WebSocketDisconnect

from app.api.deps import PlatformDep
from app.core.errors import PlatformError, UnexpectedError
from app.core.responses import WayOut
from app.db.repositories import jobs

router = APIRouter()


@router.websocket("/ws/training-jobs/{job_id}")
async def training_websocket(
    websocket: WebSocket, job_id: str, platform: PlatformDep, since: Annotated[int, Query(ge=0)] = 0
) -> None:
    """Sends every event of the job after `since`, then what comes; whoever may not look is not let in.

    Messages carry `seq`; after a break, connecting again with the last one seen loses nothing. An error comes as
    ``{"type": "error", "seq": …, "fatal": true, "error": {…}}`` before the close; its `seq` is that of the last event sent.
    """
    who = platform.guard.user(websocket)
    if who.viewer is not None:
        await platform.reader.check_owner(job_id, who.viewer)
    await websocket.accept()
    place = Place(since)
    way_out: WayOut = websocket.app.state.way_out
    try:
        await platform.db.read(lambda session: jobs.get_job(session, job_id))
        await _serve(websocket, job_id, platform, place)
    except WebSocketDisconnect:
        return
    except PlatformError as error:
        await way_out.end(websocket, error, place.seq)
    except Exception as error:  # noqa: BLE001 - a watcher is told of whatever ends its stream; logged there
        await way_out.end(websocket, UnexpectedError(error), place.seq)


class Place:
    """How far a watcher was served."""

    def __init__(self, seq: int) -> None:
        self.seq = seq


async def _serve(websocket: WebSocket, job_id: str, platform: PlatformDep, place: Place) -> None:
    """Sends until the watcher leaves."""
    sending = asyncio.create_task(_send(websocket, job_id, platform, place))
    leaving = asyncio.create_task(_drain(websocket))
    done, pending = await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
        with suppress(asyncio.CancelledError, WebSocketDisconnect):
            await task
    for task in done:
        task.result()


async def _send(websocket: WebSocket, job_id: str, platform: PlatformDep, place: Place) -> None:
    async with aclosing(platform.hub.stream(platform.db, job_id, place.seq)) as events:
        async for seq, event in events:
            await websocket.send_text(event.decode())
            place.seq = seq


async def _drain(websocket: WebSocket) -> None:
    """Reads and drops what the watcher sends, to notice that it left."""
    while True:
        await websocket.receive_text()
