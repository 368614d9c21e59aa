"""Trainings in several processes: how they are started, and that each leaves its own record of a failure."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from trainers.agent.evidence import ranks, root_record

from .conftest import PYTHON, ROOT, TRAINER

SCRIPT = """
import os, time
import torch, torch.distributed as dist
from trainers.harness import run

def train(task):
    dist.init_process_group("gloo")
    value = torch.ones(1)
    dist.all_reduce(value)
    print("rank", dist.get_rank(), "of", int(value), flush=True)
    if dist.get_rank() == 1:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
    dist.barrier()

run(train, dict)
"""


@pytest.fixture
def launch(monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.syspath_prepend(str(TRAINER))
    import launch

    yield launch
    sys.modules.pop("launch")


@pytest.mark.parametrize(("device", "number"), [("auto", 1), ("cpu", 1), ("0", 1), ("0,1", 2), ("0,2,3,", 3)])
def test_each_gpu_gets_a_process(launch: object, device: str, number: int) -> None:
    assert launch.processes(device) == number  # type: ignore[attr-defined]


def test_several_processes_are_started_once_and_by_this_trainer(launch: object) -> None:
    command = launch.command("0,1", "train.py", {})  # type: ignore[attr-defined]
    assert command[1:3] == ["-m", "torch.distributed.run"]
    assert command[-1] == "train.py"
    assert "--nproc-per-node=2" in command
    assert launch.command("0,1", "train.py", {"RANK": "0"}) is None  # type: ignore[attr-defined]
    assert launch.command("0", "train.py", {}) is None  # type: ignore[attr-defined]


@pytest.mark.slow
@pytest.mark.skipif(not PYTHON.exists(), reason="the Ultralytics trainer's environment is not installed")
def test_the_rank_that_fails_first_is_found_behind_the_launcher(tmp_path: Path) -> None:
    """torchrun itself says no more than that a child has ended."""
    (tmp_path / "spec.json").write_text(json.dumps({"config": {"batch_size": 4}, "dataset": {}}))
    (tmp_path / "train.py").write_text(SCRIPT)
    command = [
        str(PYTHON), "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(tmp_path / "train.py"),
    ]  # fmt: skip
    environment = {
        **os.environ, "PYTHONPATH": str(ROOT), "VTP_ATTEMPT_DIR": str(tmp_path), "VTP_DATASET_DIR": str(tmp_path),
        "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=110)
    assert done.returncode == 1
    found = ranks(tmp_path)
    assert [(entry["rank"], entry["error"]["code"], entry["exit_code"]) for entry in found[:1]] == [(1, "CUDA_OOM", 13)]
    assert root_record(tmp_path)["rank"] == 1
    assert (tmp_path / "events.jsonl").exists()
