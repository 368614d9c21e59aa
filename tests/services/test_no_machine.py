"""A training that no machine takes as it is gets a warning that says what it asks for in vain, and what would do."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from httpx import AsyncClient

from app.api.deps import Platform
from app.core.error_messages import REGISTRY
from app.db.models import Agent
from app.services.fit import GIB
from app.services.no_machine import no_machine
from tests.conftest import TrainerService

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
SINCE = AT - timedelta(seconds=30)
GPU = {"gpus": [{"name": "T4", "memory_bytes": 16 * GIB}], "memory_bytes": 64 * GIB, "labels": {"zone": "us"}}
PLAIN = {"memory_bytes": 8 * GIB}


def agent(name: str = "m1", **values: Any) -> Agent:
    given = {"resources": {}, "slots": 1, "frameworks": [{"framework": "x"}], "last_seen_at": AT, **values}
    return Agent(id=name, name=name, **given)


def warned(agents: list[Agent], **config: Any) -> dict[str, Any] | None:
    return no_machine(agents, {"framework": "x", "device": "auto", "needs": None, **config}, SINCE)


def test_a_training_that_some_machine_takes_is_not_warned_of() -> None:
    both = [agent("a", resources=PLAIN), agent("b", resources=GPU, excluded_until=AT)]
    assert warned(both) is None
    assert warned(both, device="0", needs={"memory_bytes": 64 * GIB, "labels": {"zone": "us"}}) is None


@pytest.mark.parametrize(
    ("config", "pointer", "words", "fix", "patch"),
    [
        (
            {"device": "0,1"},
            "#/device",
            "`0,1` needs 2 GPUs; the machine with most has 1",
            "Device 0,1 → 0",
            {"op": "replace", "path": "/device", "value": "0"},
        ),
        (
            {"needs": {"memory_bytes": 65 * GIB}},
            "#/needs/memory_bytes",
            "65 GiB of memory are asked for; the largest machine has 64 GiB",
            "Ask for 64 GiB of memory",
            {"op": "replace", "path": "/needs/memory_bytes", "value": 64 * GIB},
        ),
        (
            {"needs": {"gpu_memory_bytes": 24 * GIB}},
            "#/needs/gpu_memory_bytes",
            "24 GiB of GPU memory are asked for; the largest machine has 16 GiB",
            "Ask for 16 GiB of GPU memory",
            {"op": "replace", "path": "/needs/gpu_memory_bytes", "value": 16 * GIB},
        ),
        (
            {"needs": {"labels": {"zone": "eu"}}},
            "#/needs/labels/zone",
            "no machine is labelled `zone=eu`; there are `zone=us`",
            "Do not ask for the label zone",
            {"op": "remove", "path": "/needs/labels/zone"},
        ),
        (
            {"needs": {"labels": {"a/b": "1"}}},
            "#/needs/labels/a~1b",
            "no machine is labelled `a/b=1`; nor with another value",
            "Do not ask for the label a/b",
            {"op": "remove", "path": "/needs/labels/a~1b"},
        ),
    ],
)
def test_what_is_asked_for_in_vain_is_named_with_what_there_is_and_a_change_that_fits(
    config: dict[str, Any], pointer: str, words: str, fix: str, patch: dict[str, Any]
) -> None:
    found = warned([agent("a", resources=PLAIN), agent("b", resources=GPU)], **config)
    assert found is not None
    assert found["message"] == "No machine with x fits this training; it would wait until one does."
    (field,) = found["errors"]
    assert (field["pointer"], field["message"]) == (pointer, words)
    (offered,) = found["fixes"]
    assert (offered["label"], offered["applicability"], offered["patch"]) == (fix, "review", [patch])
    declared = REGISTRY[found["code"]].fixes
    assert any(offered["id"].startswith(name.rstrip("*")) for name in declared)


def test_without_any_gpu_the_device_is_left_to_the_machine_and_memory_of_gpus_not_asked_for() -> None:
    found = warned([agent(resources=PLAIN)], device="1", needs={"gpu_memory_bytes": GIB})
    assert found is not None
    assert [fix["patch"][0].get("value") for fix in found["fixes"]] == ["auto", None]
    assert [field["message"] for field in found["errors"]] == [
        "`1` needs 2 GPUs; the machine with most has none",
        "1 GiB of GPU memory are asked for; the largest machine has 0 GiB",
    ]


def test_where_each_machine_lacks_something_else_that_is_said() -> None:
    both = [agent("a", resources=GPU), agent("b", resources={**PLAIN, "labels": {"zone": "eu"}})]
    found = warned(both, device="0", needs={"labels": {"zone": "eu"}})
    assert found is not None
    assert found["errors"][0]["message"] == "each machine lacks something: a is not labelled zone=eu; b has 0 of 1 GPUs"
    assert found["fixes"][0]["patch"] == [{"op": "remove", "path": "/needs"}]


@pytest.mark.parametrize(
    ("agents", "message", "action"),
    [
        ([agent(drained_at=AT)], "Every agent with x is drained", "`vtp agents resume m1`"),
        ([agent(last_seen_at=SINCE)], "No agent with x is alive", "m1"),
        ([agent(frameworks=[{"framework": "x", "available": False}])], "No agent offers x now", "System page"),
    ],
)
def test_machines_that_get_no_trainings_are_told_apart(agents: list[Agent], message: str, action: str) -> None:
    found = warned(agents)
    assert found is not None
    assert found["code"] == "TRAINER_UNREACHABLE"
    assert found["message"].startswith(message)
    assert action in found["suggested_action"]


async def test_the_dry_run_warns_and_is_still_valid(
    client: AsyncClient, platform: Platform, mock_trainer_service: TrainerService
) -> None:
    assert mock_trainer_service.url
    body = {"model": "yolo11n", "dataset_id": "test-dataset", "epochs": 3}
    path = "/api/v1/training-jobs/validate"
    assert (await client.post(path, json=body)).json()["warnings"] == []
    answer = (await client.post(path, json={**body, "device": "0"})).json()
    assert answer["valid"] is True
    (warning,) = answer["warnings"]
    assert warning["errors"][0]["pointer"] == "#/device"
    await client.post("/api/v1/agents/agent-1/drain", json={"stop": False})
    (warning,) = (await client.post(path, json=body)).json()["warnings"]
    assert warning["message"].startswith("Every agent with ultralytics is drained")
