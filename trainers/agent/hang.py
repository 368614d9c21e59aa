"""What a training that no longer gets on is doing, kept before it is killed."""

import asyncio
import signal
import time

from trainers.agent.evidence import heartbeat_age
from trainers.agent.process import AttemptProcess
from trainers.agent.shim import write_json

STACK_SECONDS = 2.0


async def keep_hang(process: AttemptProcess, step_age_s: float, step_limit_s: float, poll: float) -> None:
    """Keeps the ages and limits that decided, and the stacks of all threads, in the attempt's folder."""
    told = {
        "step_age_s": round(step_age_s, 3),
        "step_limit_s": round(step_limit_s, 3),
        # The machine lives and the process is there: it is not lost, it does not get on.
        "heartbeat_age_s": 0.0,
        "process_heartbeat_age_s": heartbeat_age(process.folder, time.time()),
        "process_state": process.state(),
    }
    await _dump_stack(process, poll)
    write_json(process.folder / "hang.json", told)


async def _dump_stack(process: AttemptProcess, poll: float) -> None:
    """Has the training write down where its threads stand. Without its harness at work yet the signal would end it."""
    path = process.folder / "stack.txt"
    if not path.exists():
        return
    process.send(signal.SIGUSR1, leader_only=True)
    deadline, size = time.monotonic() + STACK_SECONDS, -1
    while time.monotonic() < deadline:
        await asyncio.sleep(poll)
        now = path.stat().st_size
        if now > 0 and now == size:
            return
        size = now
