"""What trainers and agents write is what the backend's contract says: the schemas hold on both sides."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from app.schemas.failure import CONTRACTS
from app.schemas.wire import AgentReport, TrainingUpdate
from tests.trainers.agent.test_supervisor import HANG, LEARNED, STEPS
from tests.trainers.fakes import Workshop, spec_of, toy
from trainers.agent.agent import Agent
from trainers.agent.cgroup import Cgroups
from trainers.agent.settings import AgentSettings

SCHEMAS = Path(__file__).parents[2] / "docs" / "reference" / "schemas"
BODIES = {
    "success": STEPS
    + "reporter.epoch_end(epoch=1, metrics={'m': float('nan')}, images=3)\n"
    + "(task.work / 'last.pt').write_text('w')\nreporter.checkpoint(task.work / 'last.pt', 1)\n"
    + "reporter.artifact('best.pt', task.work / 'last.pt', 'application/octet-stream', 'weights')\nprint('log line')\n"
    + "reporter.result({'m': 1}, 1)",
    "claimed failure": "raise TrainingError('DATASET_BROKEN', 'bad', file='x.png')",
    "nested failure": "try:\n    [][1]\nexcept IndexError as error:\n    raise RuntimeError('outer') from error",
    "kill": "os.kill(os.getpid(), 9)",
    "crash": "os.kill(os.getpid(), 11)",
}


def validator(name: str) -> Draft202012Validator:
    schema = json.loads((SCHEMAS / f"{name}.json").read_text())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


@pytest.mark.parametrize("name", sorted(CONTRACTS))
def test_the_written_schema_is_the_models(name: str) -> None:
    assert json.loads((SCHEMAS / f"{name}.json").read_text()) == CONTRACTS[name].model_json_schema()


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
async def test_every_update_of_a_real_training_is_a_callback_as_the_schema_has_it(tmp_path: Path, body: str) -> None:
    shop = Workshop(tmp_path, body)
    await shop.run()
    callback, evidence = validator("callback"), validator("evidence")
    assert len(shop.fake.updates) >= 3
    for update in shop.fake.updates:
        callback.validate(update)
        TrainingUpdate.model_validate(update)
    if "evidence" in shop.fake.last:
        evidence.validate(shop.fake.last["evidence"])


async def test_the_evidence_of_a_hang_and_of_a_preemption_is_as_the_schema_has_it(tmp_path: Path) -> None:
    hung = Workshop(tmp_path / "1", LEARNED, HANG)
    await hung.run()
    validator("evidence").validate(hung.fake.last["evidence"])
    stopped = Workshop(tmp_path / "2", STEPS + "while True:\n    time.sleep(0.02)")
    task = await stopped.started()
    stopped.supervisor.stop("shutdown", notice="notice file")
    await task
    validator("evidence").validate(stopped.fake.last["evidence"])


@pytest.mark.parametrize("body", ["raise TrainingError('CUDA_OOM', 'x')", BODIES["nested failure"], "raise MemoryError"])
async def test_error_json_is_as_the_schema_has_it(tmp_path: Path, body: str) -> None:
    from tests.trainers.harness.test_run import Training

    training = Training(tmp_path, body)
    training.end()
    validator("error").validate(training.record())


def test_the_schemas_refuse_what_is_none_of_it() -> None:
    assert not validator("callback").is_valid({"status": "exploded"})
    assert not validator("error").is_valid({"exceptions": []})
    assert not validator("evidence").is_valid({"killed_by": "hang"})


def test_the_design_documents_callback_is_valid() -> None:
    error = {"type": "system_error", "code": "CUDA_OOM", "message": "m", "details": {}}
    update: dict[str, Any] = {"status": "failed", "error": error}
    validator("callback").validate(update)
    TrainingUpdate.model_validate(update)
    with pytest.raises(ValidationError):
        TrainingUpdate.model_validate({**update, "seq": 3})


async def test_an_agents_report_is_what_the_backend_reads(tmp_path: Path) -> None:
    shop = Workshop(tmp_path, "pass")
    agent = Agent(tmp_path, shop.fake.backend(), [toy(tmp_path, "pass")], 1, "a", AgentSettings(), Cgroups())
    agent.url = "http://127.0.0.1:1"
    agent.supervisors[("J-1", 1)] = shop.supervisor
    report = AgentReport.model_validate(json.loads(json.dumps(agent.description())))
    assert report.attempts[0].job_id == spec_of()["job_id"]
    await agent.close()
