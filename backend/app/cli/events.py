"""Live events of a job, also across lost connections and restarts of the backend."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from app.cli.client import CONNECT_SECONDS, Api, ApiFailure, refusal
from app.cli.output import Output

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 15.0
FINAL = ("succeeded", "failed", "cancelled")
POLICY_VIOLATION = 1008


async def events(api: Api, output: Output, job_id: str, since: int = 0) -> AsyncIterator[dict[str, Any]]:
    """Every event of a job after `since`, up to the one that ends it.

    A lost connection is taken up again where it was, for as long as it takes.

    Raises:
        ApiFailure: there is no such job, or it may not be seen.
    """
    from websockets.asyncio.client import connect
    from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

    address = api.url.replace("http", "ws", 1) + f"/ws/training-jobs/{job_id}"
    headers = {"Authorization": f"Bearer {api.token}"}
    seq, pause, last = since, FIRST_PAUSE, None
    while True:
        try:
            async with connect(
                f"{address}?since={seq}", additional_headers=headers, proxy=None, open_timeout=CONNECT_SECONDS
            ) as socket:
                pause = FIRST_PAUSE
                async for text in socket:
                    event = last = json.loads(text)
                    if event["type"] == "ready" or event.get("seq", seq + 1) <= seq:
                        continue
                    seq = event.get("seq", seq)
                    yield event
                    if event["type"] == "state" and event["status"] in FINAL:
                        return
        except ConnectionClosed as closed:
            if closed.rcvd is not None and closed.rcvd.code == POLICY_VIOLATION and last and last.get("error"):
                raise ApiFailure(last["error"], 0) from closed
        except InvalidStatus as refused:
            if refused.response.status_code < 500:
                raise refusal(refused.response.status_code, refused.response.body or b"") from refused
        except (OSError, InvalidHandshake) as failed:
            output.note(f"no connection ({type(failed).__name__}), trying again in {pause:g} s")
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)
