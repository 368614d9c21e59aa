"""A watcher gets what the models of events say, and nothing besides."""

from typing import Any

import httpx
from fastapi import FastAPI
from pydantic import TypeAdapter

from app.schemas.events import JobEvent
from tests.asgi import Socket
from tests.conftest import TOKEN, TrainerService, job_in_state

JOBS = "/api/v1/training-jobs"
BODY: dict[str, Any] = {"model": "yolo11n", "dataset_id": "test-dataset", "epochs": 3}
FILE = {"name": "best.pt", "bytes": 3, "sha256": "0" * 64, "role": "weights", "epoch": 1}
PROGRESS = {"epoch": 1, "epochs": 3, "losses": {"train/loss": "nan"}, "metrics": {"m": 0.5}, "lr": 0.01, "epoch_end": True}


async def test_every_event_of_a_job_that_fails_and_waits_is_as_its_model_says(
    app: FastAPI, client: httpx.AsyncClient, mock_trainer_service: TrainerService
) -> None:
    job_id = (await client.post(JOBS, json=BODY)).json()["job_id"]
    agent = {"Authorization": f"Bearer {mock_trainer_service.specs[-1]['token']}"}
    bodies: list[dict[str, Any]] = [
        {"phase": "data"},
        {"progress": PROGRESS},
        {"log": {"offset": 0, "text": "a\n"}},
        {"artifact": FILE},
        {"status": "failed", "evidence": {"signal": 9, "oom_kill_delta": 0}},
    ]
    updates = [{"status": "running", "attempt": 1, "seq": number, **body} for number, body in enumerate(bodies, 1)]
    assert (await client.post(f"{JOBS}/{job_id}/callback", json=updates, headers=agent)).is_success
    await job_in_state(client, job_id, "waiting")
    async with Socket(app, f"/ws/training-jobs/{job_id}", query="since=0", token=TOKEN) as watcher:
        events = [*await watcher.until_ready(), {"type": "ready", "seq": 9}]
    known: TypeAdapter[Any] = TypeAdapter(JobEvent)
    for event in events:
        understood = known.validate_python(event).model_dump()
        assert event.keys() <= understood.keys(), event
    assert {event["type"] for event in events} == {"state", "attempt", "progress", "log", "artifact", "error", "ready"}
