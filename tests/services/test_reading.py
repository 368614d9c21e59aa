"""Looking at jobs."""

from httpx import AsyncClient

from app.api.deps import Platform
from tests.api.test_training import JOBS, running, tell
from tests.conftest import Clock, TrainerService, job_in_state, register_agent
from tests.waiting import eventually


def epoch(seq: int, number: int, value: float, attempt: int = 1) -> dict:
    progress = {"epoch": number, "epochs": 3, "metrics": {"m": value}, "epoch_end": True}
    return {"status": "running", "attempt": attempt, "seq": seq, "progress": progress}


async def test_an_epoch_that_was_trained_again_is_shown_once_as_it_was_the_last_time(
    client: AsyncClient, mock_trainer_service: TrainerService, clock: Clock, platform: Platform
) -> None:
    """The training was killed after epoch 2, of which no checkpoint had been stored."""
    job_id, headers = await running(client, mock_trainer_service)
    await tell(client, job_id, headers, epoch(2, 1, 0.1), epoch(3, 2, 0.2))
    await tell(client, job_id, headers, {"status": "failed", "attempt": 1, "seq": 4, "evidence": {"signal": 9}})
    await job_in_state(client, job_id, "waiting")
    clock.move(3600)
    await register_agent(platform, mock_trainer_service.url)
    await eventually(lambda: len(mock_trainer_service.specs) == 2)
    again = {"Authorization": f"Bearer {mock_trainer_service.specs[-1]['token']}"}
    await tell(client, job_id, again, epoch(1, 2, 0.25, attempt=2), epoch(2, 3, 0.3, attempt=2))
    items = (await client.get(f"{JOBS}/{job_id}/metrics")).json()["items"]
    assert [(item["epoch"], item["attempt"], item["metrics"]["m"]) for item in items] == [
        (1, 1, 0.1),
        (2, 2, 0.25),
        (3, 2, 0.3),
    ]
