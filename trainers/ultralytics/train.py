"""Trains Ultralytics YOLO models: detection and classification, from an architecture or from weights.

Ultralytics is AGPL-3.0; it is imported in this folder only, in a process and an environment of its own.
"""

import os
import shutil
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from catalogue import PRIMARY, describe

from trainers.harness import Assignment, TrainingError, run

IMAGES = ("confusion_matrix.png", "confusion_matrix_normalized.png", "results.png", "labels.jpg", "BoxPR_curve.png")
SAMPLES = ("val_batch0_pred.jpg", "val_batch1_pred.jpg", "val_batch2_pred.jpg", "train_batch0.jpg")


def arguments(task: Assignment, device: str) -> dict[str, Any]:
    """A job's configuration in Ultralytics' names."""
    config = task.config
    kind = task.dataset["task"]
    found: dict[str, Any] = {
        "task": kind,
        "epochs": config["epochs"],
        "batch": config["batch_size"],
        "imgsz": config["image_size"] or (224 if kind == "classify" else 640),
        "seed": config["seed"],
        "deterministic": True,
        "device": device,
        "workers": config["workers"] if config["workers"] is not None else min(8, (os.cpu_count() or 1) // 2),
        # The check for mixed precision downloads a model; on a CPU it has no use.
        "amp": device != "cpu",
        "project": str(task.work),
        "name": "run",
        "exist_ok": True,
        "plots": True,
        "verbose": True,
    }
    if config.get("patience") is not None:
        found["patience"] = config["patience"]
    if config.get("lr0") is not None:
        # The automatic optimizer chooses its own rate; a rate that was asked for must be the one that is used.
        found |= {"lr0": config["lr0"], "optimizer": "SGD"}
    return found | config.get("settings", {})


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


class Told:
    """Callbacks that tell the harness where Ultralytics' training stands."""

    def __init__(self, task: Assignment) -> None:
        self.task, self.reporter = task, task.reporter
        self.step = 0
        self.last_epoch = 0
        self.epoch_open = False
        self.primary = PRIMARY[task.dataset["task"]]

    def attach(self, model: Any) -> None:
        """Registers all callbacks."""
        for event in ("on_train_start", "on_train_epoch_start", "on_train_batch_end", "on_model_save", "on_fit_epoch_end"):
            model.add_callback(event, getattr(self, event))

    def on_train_start(self, trainer: Any) -> None:
        """Data are loaded, the first step comes."""
        self.reporter.start(trainer.epochs, trainer.start_epoch + 1)

    def on_train_epoch_start(self, _trainer: Any) -> None:
        """A new epoch."""
        self.step, self.epoch_open = 0, True
        self.reporter.phase("training")

    def on_train_batch_end(self, trainer: Any) -> None:
        """A step is done."""
        self.step += 1
        self.reporter.progress(
            epoch=trainer.epoch + 1,
            step=self.step,
            steps=len(trainer.train_loader),
            losses=trainer.label_loss_items(trainer.tloss),
            lr=trainer.optimizer.param_groups[0]["lr"],
            images=self.step * trainer.batch_size,
            gpu_bytes=gpu_bytes(trainer.device),
        )
        if self.step == len(trainer.train_loader):
            self.reporter.phase("validating")

    def on_model_save(self, trainer: Any) -> None:
        """A checkpoint was written; it is copied, since Ultralytics writes the next one into the same file."""
        target = self.task.work / "checkpoint" / "last.pt"
        target.parent.mkdir(exist_ok=True)
        part = target.with_suffix(".part")
        shutil.copyfile(trainer.last, part)
        part.replace(target)
        self.reporter.checkpoint(target, trainer.epoch + 1)

    def on_fit_epoch_end(self, trainer: Any) -> None:
        """An epoch with its validation is done; the last validation of all comes here too, and is none."""
        if not self.epoch_open:
            return
        self.epoch_open, self.last_epoch = False, trainer.epoch + 1
        told = {**trainer.label_loss_items(trainer.tloss), **(trainer.metrics or {})}
        self.reporter.epoch_end(
            epoch=self.last_epoch,
            metrics=primary_first({name: value for name, value in told.items() if name.startswith("metrics/")}, self.primary),
            losses={name: value for name, value in told.items() if name.startswith(("train/", "val/"))},
            lr=trainer.optimizer.param_groups[0]["lr"],
            images=len(trainer.train_loader.dataset),
            gpu_bytes=gpu_bytes(trainer.device),
        )


def primary_first(metrics: dict[str, Any], primary: str) -> dict[str, Any]:
    """The metrics with the one that chooses the best weights in front."""
    return {name: metrics[name] for name in sorted(metrics, key=lambda name: (name != primary, name))}


def gpu_bytes(device: Any) -> int | None:
    """Memory in use on the GPU; None on a CPU."""
    import torch

    return torch.cuda.memory_reserved(device) if device.type == "cuda" else None


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
        TrainingError: CHECKPOINT_INVALID, INVALID_MODEL.
    """
    from preflight import safe_weights
    from ultralytics import YOLO

    kind = task.dataset["task"]
    if task.resume is not None:
        return YOLO(str(safe_weights(task.resume)), task=kind)
    if task.weights is not None:
        return YOLO(str(safe_weights(task.weights)), task=kind)
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


def train(task: Assignment) -> None:
    """Carries out one attempt."""
    prepare(task)
    task.reporter.phase("data")
    device = device_of(task.config["device"])
    model = load_model(task)
    given = {**arguments(task, device), "data": data_of(task)}
    told = Told(task)
    told.attach(model)
    if task.resume is not None and task.resume_epoch >= task.config["epochs"]:
        # All epochs were done before the last attempt ended: only the measuring is left.
        metrics = model.val(data=given["data"], imgsz=given["imgsz"], batch=given["batch"], device=device).results_dict
        weights = task.work / "run" / "weights"
        weights.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(task.resume, weights / "best.pt")
        epochs = task.resume_epoch
    else:
        resume = {"resume": str(task.resume)} if task.resume is not None else {}
        model.train(**given, **resume)
        metrics = model.trainer.metrics
        epochs = told.last_epoch
    kept = {name: value for name, value in metrics.items() if name.startswith("metrics/")}
    finish(task, task.work / "run", kept, epochs)


if __name__ == "__main__":
    run(train, describe)
