"""What the parts of the pipeline's benchmark share."""

import sys
from datetime import datetime
from pathlib import Path

from websockets.asyncio.client import connect

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.running import RunningPlatform  # noqa: E402

DIGITS = ROOT / "samples" / "digits-classify.zip"


def show(what: str, value: str, goal: str = "") -> None:
    """One line of the result."""
    print(f"{what:<58} {value:>14}  {goal}", flush=True)


def seconds(at: str) -> float:
    """An RFC 3339 time as seconds since the epoch."""
    return datetime.fromisoformat(at).timestamp()


def watcher(platform: RunningPlatform, job_id: str, since: int = 0) -> connect:
    """A connection that watches a job after event `since`."""
    url = f"ws://127.0.0.1:{platform.port}/ws/training-jobs/{job_id}?since={since}"
    return connect(url, additional_headers={"Authorization": "Bearer token"}, proxy=None, max_queue=None, compression=None)
