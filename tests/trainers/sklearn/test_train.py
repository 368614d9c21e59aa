"""The scikit-learn trainer for real: a stop leaves a checkpoint of the very step, a resume goes on exactly there."""

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import classification_zip
from tests.running import SKLEARN
from tests.trainers.fakes import URL, Workshop, archive, reached
from trainers.agent.frameworks import Framework
from trainers.agent.start import keep_spec

pytestmark = pytest.mark.skipif(not SKLEARN.exists(), reason="the scikit-learn trainer's environment is not installed")
FRAMEWORK = Framework("sklearn", SKLEARN.parents[2], SKLEARN, {"available": True})
CONFIG = {"model": "sgd-linear", "epochs": 3, "batch_size": 2, "image_size": 8, "seed": 1, "settings": {}}


def files(damaged: int = 0) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(classification_zip(per_class=12, damaged=damaged))) as source:
        return {name: source.read(name) for name in source.namelist()}


def shop(folder: Path, damaged: int = 0, resume: dict[str, Any] | None = None, **config: Any) -> Workshop:
    found = Workshop(folder, "pass", config={**CONFIG, **config}, resume=resume)
    found.spec["dataset"] |= {"classes": ["dark", "light"]}
    found.fake.files["/archive"] = archive(files(damaged))
    keep_spec(found.folder, found.spec)
    found.framework = FRAMEWORK
    found.supervisor = found.make()
    return found


def epochs(found: Workshop) -> list[tuple[int, Any]]:
    told = [update["progress"] for update in found.fake.updates if update.get("progress", {}).get("epoch_end")]
    return [(item["epoch"], item["losses"]) for item in told]


async def test_a_training_tells_epochs_checkpoints_and_files(tmp_path: Path) -> None:
    found = shop(tmp_path)
    last = await found.run()
    assert last["status"] == "succeeded"
    assert last["result"]["metrics"] == {"metrics/accuracy_top1": 1.0}
    assert [number for number, _ in epochs(found)] == [1, 2, 3]
    assert {"best.npz", "last.npz", "confusion_matrix.png", "predictions.png"} <= set(found.fake.uploads)


async def test_a_stopped_training_goes_on_at_the_very_step_and_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    whole = shop(tmp_path / "whole")
    await whole.run()

    stopped = shop(tmp_path / "stopped", settings={"images_per_s_limit": 20})
    task = await stopped.started()
    await reached(lambda: len(epochs(stopped)) == 1, task)
    stopped.supervisor.stop("shutdown", notice="test")
    await task
    assert stopped.fake.last["evidence"]["exit_code"] == 21
    told = [update["artifact"] for update in stopped.fake.updates if update.get("artifact", {}).get("role") == "checkpoint"]
    assert told[-1]["epoch"] == 1

    resume = {"url": f"{URL}/checkpoint.npz", "epoch": 1, "sha256": told[-1]["sha256"]}
    resumed = shop(tmp_path / "resumed", resume=resume)
    resumed.fake.files["/checkpoint.npz"] = stopped.fake.uploads[told[-1]["name"]]
    assert (await resumed.run())["status"] == "succeeded"
    assert [number for number, _ in epochs(resumed)] == [2, 3]
    assert epochs(resumed)[-1] == epochs(whole)[-1]


async def test_a_broken_image_is_named(tmp_path: Path) -> None:
    last = await shop(tmp_path, damaged=1).run()
    assert last["error"]["code"] == "DATASET_BROKEN"
    assert last["evidence"]["entity"].startswith("train/")
    assert last["evidence"]["exit_code"] == 11


async def test_of_a_training_that_diverges_the_batch_that_failed_is_shown_and_named(tmp_path: Path) -> None:
    found = shop(tmp_path, model="mlp-small", lr0=1e200, epochs=9)
    last = await found.run()
    assert last["error"]["code"] == "TRAINING_DIVERGED"
    assert found.fake.uploads["failed_batch.png"].startswith(b"\x89PNG")


async def test_a_model_that_there_is_not_is_told_as_such(tmp_path: Path) -> None:
    last = await shop(tmp_path, model="resnet50").run()
    assert last["error"]["code"] == "INVALID_MODEL"
    assert last["evidence"]["exit_code"] == 11


async def test_a_damaged_checkpoint_is_told_as_such(tmp_path: Path) -> None:
    found = shop(tmp_path, resume={"url": f"{URL}/c.npz", "epoch": 1, "sha256": None})
    found.fake.files["/c.npz"] = b"no npz"
    last = await found.run()
    assert last["error"]["code"] == "CHECKPOINT_INVALID"


async def test_without_images_to_train_on_nothing_is_trained(tmp_path: Path) -> None:
    found = shop(tmp_path)
    found.fake.files["/archive"] = archive({"train/dark/readme.txt": b"x"})
    last = await found.run()
    assert last["error"]["code"] == "DATASET_INVALID_FORMAT"
