"""Trains Ultralytics YOLO models: detection and classification, from an architecture or from weights.

Ultralytics is AGPL-3.0; it is imported in this folder only, in a process and an environment of its own.
"""

import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import checkpoints
import failed_batch
import preflight
from catalogue import PRIMARY, describe
from engine import Plan, watched
from launch import spread
from told import Told, primary_first

from trainers.harness import Assignment, TrainingError, run
from trainers.harness.failure import rank

IMAGES = ("confusion_matrix.png", "confusion_matrix_normalized.png", "results.png", "labels.jpg", "BoxPR_curve.png")
OURS = frozenset({"checkpoint_every_steps"})
"""Settings that Ultralytics does not know."""
SAMPLES = ("val_batch0_pred.jpg", "val_batch1_pred.jpg", "val_batch2_pred.jpg", "train_batch0.jpg")


def arguments(task: Assignment, plan: Plan, device: str) -> dict[str, Any]:
    """A job's configuration in Ultralytics' names; its batch is all pieces of a step together."""
    config = task.config
    kind = task.dataset["task"]
    run = task.work / "run"
    found: dict[str, Any] = {
        "task": kind,
        "epochs": config["epochs"],
        "batch": plan.batch,
        "imgsz": config["image_size"] or (224 if kind == "classify" else 640),
        "seed": config["seed"],
        "deterministic": True,
        "device": device,
        "workers": config["workers"] if config["workers"] is not None else min(8, (os.cpu_count() or 1) // 2),
        # The check for mixed precision downloads a model; on a CPU it has no use.
        "amp": device != "cpu",
        "project": str(run.parent),
        "name": run.name,
        "exist_ok": True,
        # A checkpoint names the folder of the attempt that wrote it.
        "save_dir": str(run),
        "plots": True,
        "verbose": True,
    }
    if config.get("patience") is not None:
        found["patience"] = config["patience"]
    if config.get("lr0") is not None:
        # The automatic optimizer chooses its own rate; a rate that was asked for must be the one that is used.
        found |= {"lr0": config["lr0"], "optimizer": "SGD"}
    return found | {name: value for name, value in config.get("settings", {}).items() if name not in OURS}


def data_of(task: Assignment) -> str:
    """What Ultralytics is given as ``data``: a folder for classification, a yaml with absolute paths for detection."""
    if task.dataset["task"] == "classify":
        return str(task.dataset_dir)
    from ultralytics.utils import YAML

    content = YAML.load(task.dataset_dir / "data.yaml")
    content["path"] = str(task.dataset_dir)
    target = task.work / "data.yaml"
    YAML.save(target, content)
    return str(target)


def device_of(wanted: str) -> str:
    """Ultralytics' name of a device: the first GPU or the CPU for ``auto``."""
    import torch

    if wanted != "auto":
        return wanted
    return "0" if torch.cuda.is_available() else "cpu"


def prepare(task: Assignment) -> None:
    """Keeps Ultralytics in the attempt's folder and off the network."""
    folder = task.work / "ultralytics"
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["YOLO_CONFIG_DIR"] = str(folder)
    os.environ["YOLO_OFFLINE"] = "true"
    # Every checkpoint is read with known classes only, also where Ultralytics reads it by itself.
    os.environ["ULTRALYTICS_SAFE_LOAD"] = "true"
    os.environ["YOLO_AUTOINSTALL"] = "false"


def load_model(task: Assignment) -> Any:
    """The model to train: from the checkpoint of an earlier attempt, from uploaded weights, or from its architecture.

    Raises:
        TrainingError: CHECKPOINT_INVALID, MODEL_DATA_MISMATCH, INVALID_MODEL.
    """
    from ultralytics import YOLO

    kind = task.dataset["task"]
    given = task.resume or task.weights
    if given is not None:
        preflight.check_weights(task, given)
        return YOLO(str(given), task=kind)
    try:
        return YOLO(f"{task.config['model']}.yaml", task=kind)
    except FileNotFoundError as error:
        name = task.config["model"]
        raise TrainingError("INVALID_MODEL", f"Ultralytics has no model `{name}`", model=name) from error


def finish(task: Assignment, folder: Path, metrics: dict[str, Any], epochs: int) -> None:
    """Hands over the files and the result."""
    task.reporter.phase("saving")
    for name in ("best", "last"):
        path = folder / "weights" / f"{name}.pt"
        if path.exists():
            task.reporter.artifact(path.name, path, "application/octet-stream", "weights")
    if (folder / "results.csv").exists():
        task.reporter.artifact("results.csv", folder / "results.csv", "text/csv", "table")
    for names, role in ((IMAGES, "plot"), (SAMPLES, "samples")):
        for name in names:
            if (folder / name).exists():
                kind = "image/png" if name.endswith("png") else "image/jpeg"
                task.reporter.artifact(name, folder / name, kind, role)
    task.reporter.result(primary_first(metrics, PRIMARY[task.dataset["task"]]), epochs)


def show_batch(task: Assignment, trainer: Any) -> None:
    """Hands over a picture of the batch that the training failed with, and names its files."""
    batch = getattr(trainer, "last_batch", None)
    if batch is None or rank() > 0:
        return
    task.reporter.batch = failed_batch.names(batch, task.dataset_dir)
    path = task.work / "failed_batch.jpg"
    if failed_batch.draw(batch["img"], path):
        task.reporter.artifact(path.name, path, "image/jpeg", "samples")


def share_through_files(task: Assignment) -> None:
    """Hands images over in files where shared memory is too small for the workers."""
    if task.config.get("sharing") == "file_system":
        import torch.multiprocessing

        torch.multiprocessing.set_sharing_strategy("file_system")


def measure(task: Assignment, model: Any, plan: Plan, given: dict[str, Any]) -> dict[str, Any]:
    """All epochs were done before the last attempt ended: only the measuring is left."""
    task.reporter.phase("validating")
    weights = task.work / "run" / "weights"
    weights.mkdir(parents=True, exist_ok=True)
    stored = preflight.load_weights(task.resume) if task.resume is not None else {}
    checkpoints.export(stored, weights / "best.pt", weights / "last.pt")
    best = type(model)(str(weights / "best.pt"), task=task.dataset["task"])
    found: dict[str, Any] = best.val(
        data=given["data"], imgsz=given["imgsz"], batch=plan.val_batch, device=given["device"], project=str(task.work),
        name="run", exist_ok=True,
    ).results_dict  # fmt: skip
    return found


def train(task: Assignment) -> None:
    """Carries out one attempt."""
    prepare(task)
    task.reporter.phase("data")
    share_through_files(task)
    device = device_of(task.config["device"])
    model, plan = load_model(task), Plan.of(task.config)
    given = {**arguments(task, plan, device), "data": data_of(task)}
    workers = 0 if device == "cpu" else given["workers"]
    preflight.check(task, model.model, plan, edge=given["imgsz"], workers=workers, device=device)
    if task.resume is not None and task.resume_epoch >= task.config["epochs"]:
        metrics, epochs = measure(task, model, plan, given), task.resume_epoch
    else:
        told = Told(task)
        told.attach(model)
        resume = {"resume": str(task.resume)} if task.resume is not None else {}
        base = model.task_map[model.task]["trainer"]
        trainer = watched(base, plan, task.work / "checkpoint" / "last.pt", lambda: task.reporter.phase_name)
        try:
            model.train(trainer=trainer, **given, **resume)
        except (RuntimeError, ValueError, ArithmeticError, MemoryError, TrainingError):
            show_batch(task, told.trainer)
            raise
        metrics, epochs = model.trainer.metrics, told.last_epoch
    kept = {name: value for name, value in metrics.items() if name.startswith("metrics/")}
    finish(task, task.work / "run", kept, epochs)


if __name__ == "__main__":
    spread(__file__)
    run(train, describe)
