"""Trains small scikit-learn classifiers on folders of images, epoch by epoch: quick, on any CPU.

Besides being useful for a first look at a data set, it shows what a framework needs to be trained by the platform.
"""

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
from PIL import Image, ImageDraw, UnidentifiedImageError
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import confusion_matrix, log_loss
from sklearn.neural_network import MLPClassifier

from trainers.harness import Assignment, TrainingError, run

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".webp"}
PRIMARY = "metrics/accuracy_top1"
SETTINGS = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "alpha": {"type": "number", "minimum": 0, "maximum": 1, "default": 0.0001, "description": "L2 penalty"},
        "hidden": {"type": "integer", "minimum": 1, "maximum": 4096, "default": 64, "description": "Units of mlp-small"},
        "images_per_s_limit": {
            "type": "number",
            "exclusiveMinimum": 0,
            "description": "Slows the training down, to leave the machine to others",
        },
    },
}


def describe() -> dict[str, Any]:
    """What this framework offers."""
    return {
        "framework": "sklearn",
        "version": sklearn.__version__,
        "license": "BSD-3-Clause",
        "tasks": ["classify"],
        "models": [
            {"name": "sgd-linear", "task": "classify", "family": "linear", "params": None},
            {"name": "mlp-small", "task": "classify", "family": "mlp", "params": None},
        ],
        "defaults": {"classify": {"epochs": 10, "batch_size": 32, "image_size": 16}},
        "settings_schema": SETTINGS,
        "primary_metric": {"classify": PRIMARY},
        "accepts_weights": False,
    }


def read_image(path: Path, edge: int) -> np.ndarray:
    """Grey values of an image as a vector of edge * edge numbers from 0 to 1.

    Raises:
        TrainingError: DATASET_BROKEN, naming the file.
    """
    try:
        with Image.open(path) as image:
            grey = image.convert("L").resize((edge, edge), Image.Resampling.BILINEAR)
            return np.asarray(grey, dtype=np.float64).ravel() / 255.0
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise TrainingError("DATASET_BROKEN", f"cannot read image '{path}': {error}") from error


def load_split(folder: Path, classes: list[str], edge: int) -> tuple[np.ndarray, np.ndarray]:
    """All images of a split: (n, edge * edge) grey values and (n,) class numbers."""
    rows, labels = [], []
    for index, name in enumerate(classes):
        for path in sorted((folder / name).glob("*")):
            if path.suffix.lower() in SUFFIXES:
                rows.append(read_image(path, edge))
                labels.append(index)
    return np.asarray(rows).reshape(len(rows), edge * edge), np.asarray(labels, dtype=np.int64)


def make_model(config: dict[str, Any]) -> SGDClassifier | MLPClassifier:
    """The classifier that a configuration names.

    Raises:
        TrainingError: INVALID_MODEL.
    """
    settings, rate = config.get("settings", {}), config.get("lr0")
    if config["model"] == "sgd-linear":
        return SGDClassifier(
            loss="log_loss",
            alpha=settings.get("alpha", 1e-4),
            learning_rate="constant",
            eta0=rate or 0.05,
            random_state=config["seed"],
        )
    if config["model"] == "mlp-small":
        return MLPClassifier(
            hidden_layer_sizes=(settings.get("hidden", 64),),
            solver="sgd",
            momentum=0.9,
            alpha=settings.get("alpha", 1e-4),
            learning_rate_init=rate or 0.05,
            random_state=config["seed"],
        )
    raise TrainingError("INVALID_MODEL", f"no model {config['model']!r}", model=config["model"])


def weights_of(model: SGDClassifier | MLPClassifier) -> list[np.ndarray]:
    """The arrays that make up a fitted model."""
    if isinstance(model, SGDClassifier):
        return [model.coef_, model.intercept_]
    return [*model.coefs_, *model.intercepts_]


def save(model: SGDClassifier | MLPClassifier, path: Path, epoch: int, classes: list[str], step: int = 0) -> None:
    """Writes the weights after `epoch` epochs and `step` steps more to `path`, whole or not at all."""
    part = path.with_suffix(".part.npz")
    arrays = {f"w{index}": array for index, array in enumerate(weights_of(model))}
    np.savez(part, epoch=epoch, step=step, classes=np.asarray(classes), **arrays)
    part.replace(path)


def restore(model: SGDClassifier | MLPClassifier, path: Path) -> int:
    """Puts the weights of a checkpoint into a model that has seen one batch; the steps done beyond whole epochs.

    Raises:
        TrainingError: CHECKPOINT_INVALID.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            for index, array in enumerate(weights_of(model)):
                array[...] = stored[f"w{index}"]
            return int(stored["step"]) if "step" in stored else 0
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise TrainingError("CHECKPOINT_INVALID", f"cannot load checkpoint: {error}") from error


def batches(count: int, size: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Shuffled indices in pieces of `size`."""
    order = rng.permutation(count)
    for start in range(0, count, size):
        yield order[start : start + size]


def plot_confusion(matrix: np.ndarray, names: list[str], path: Path, cell: int = 32) -> None:
    """Draws a confusion matrix: a row for each true class, a column for each predicted one, darker for a larger share."""
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    longest = max(len(name) for name in names)
    margin = min(160, 12 + 7 * longest)
    edge = margin + cell * len(names)
    picture = Image.new("L", (max(edge, 220), edge + 20), 255)
    draw = ImageDraw.Draw(picture)
    for row, name in enumerate(names):
        y = margin + row * cell
        draw.text((margin - 6, y + cell / 2), name[:20], fill=0, anchor="rm")
        draw.text((y + cell / 2, margin - 6), name[: max(1, cell // 6)], fill=0, anchor="mb")
        for column in range(len(names)):
            x, dark = margin + column * cell, float(share[row, column])
            draw.rectangle((x, y, x + cell - 1, y + cell - 1), fill=int(255 - 215 * dark), outline=230)
            if matrix[row, column]:
                draw.text((x + cell / 2, y + cell / 2), str(matrix[row, column]), fill=255 if dark > 0.5 else 0, anchor="mm")
    draw.text((6, edge + 4), "rows: true, columns: predicted", fill=90)
    picture.save(path)


class Trainer:
    """One training."""

    def __init__(self, task: Assignment) -> None:
        self.task, self.config, self.reporter = task, task.config, task.reporter
        self.classes = [str(name) for name in task.dataset["classes"]]
        self.labels = np.arange(len(self.classes))
        self.edge = int(self.config.get("image_size") or 16)
        self.model = make_model(self.config)
        self.best = -math.inf
        self.best_metrics: dict[str, float] = {}

    def load(self) -> None:
        """Reads all images.

        Raises:
            TrainingError: DATASET_INVALID_FORMAT where there is nothing to train on, DATASET_BROKEN.
        """
        self.reporter.phase("data")
        self.x, self.y = load_split(self.task.dataset_dir / "train", self.classes, self.edge)
        self.x_val, self.y_val = load_split(self.task.dataset_dir / "val", self.classes, self.edge)
        if not len(self.y) or not len(self.y_val):
            raise TrainingError("DATASET_INVALID_FORMAT", "no training or no validation images")

    def epoch(self, epoch: int, done: int = 0) -> float:
        """Trains one epoch from its step `done` on; the training loss.

        Raises:
            FloatingPointError: the loss is not finite.
            Stopped: the training was asked to stop; a checkpoint of this step is left.
        """
        rng = np.random.default_rng([self.config["seed"], epoch])
        # Gradients cannot be gathered here: the pieces of a step are taken together, so that the steps stay the same.
        size = int(self.config["batch_size"]) * int(self.config.get("accumulate") or 1)
        steps = math.ceil(len(self.y) / size)
        limit = self.config.get("settings", {}).get("images_per_s_limit")
        started, seen, loss = time.monotonic(), 0, math.nan
        for step, rows in enumerate(batches(len(self.y), size, rng), 1):
            if step <= done:
                continue
            self.model.partial_fit(self.x[rows], self.y[rows], classes=self.labels)
            seen += len(rows)
            loss = self.loss(self.x[rows], self.y[rows])
            if not math.isfinite(loss):
                message = f"loss is {loss} at epoch {epoch}, step {step}"
                raise FloatingPointError(message)
            self.reporter.progress(epoch=epoch, step=step, steps=steps, losses={"train/loss": loss}, images=seen)
            if self.task.stop_requested() and step < steps:
                self.leave(epoch, step)
            if limit:
                time.sleep(max(0.0, started + seen / limit - time.monotonic()))
        return loss

    def leave(self, epoch: int, step: int) -> None:
        """Leaves a checkpoint of this very step and ends.

        Raises:
            Stopped: always.
        """
        stopped = self.task.work / "last.npz"
        save(self.model, stopped, epoch - 1, self.classes, step)
        self.reporter.checkpoint(stopped, epoch - 1)
        self.task.leave()

    def loss(self, x: np.ndarray, y: np.ndarray) -> float:
        """Mean cross entropy; not finite where the weights are not."""
        if not all(np.isfinite(array).all() for array in weights_of(self.model)):
            return math.nan
        return float(log_loss(y, self.model.predict_proba(x), labels=self.labels))

    def validate(self, epoch: int, train_loss: float) -> None:
        """Measures on the validation images, tells the figures, keeps the best weights."""
        guess = self.model.predict(self.x_val)
        metrics = {PRIMARY: float((guess == self.y_val).mean())}
        losses = {"train/loss": train_loss, "val/loss": self.loss(self.x_val, self.y_val)}
        last = self.task.work / "last.npz"
        save(self.model, last, epoch, self.classes)
        if metrics[PRIMARY] > self.best:
            self.best, self.best_metrics = metrics[PRIMARY], metrics
            save(self.model, self.task.work / "best.npz", epoch, self.classes)
            matrix = confusion_matrix(self.y_val, guess, labels=self.labels)
            plot_confusion(matrix, self.classes, self.task.work / "confusion_matrix.png")
        figures = f"accuracy {metrics[PRIMARY]:.4f}  loss {train_loss:.4f}  validation loss {losses['val/loss']:.4f}"
        print(f"epoch {epoch}/{self.config['epochs']}  {figures}", flush=True)
        self.reporter.epoch_end(
            epoch=epoch, metrics=metrics, losses=losses, lr=self.config.get("lr0") or 0.05, images=len(self.y)
        )
        self.reporter.checkpoint(last, epoch)

    def train(self) -> None:
        """The whole training, from the checkpoint where there is one."""
        self.load()
        first, done = 1, 0
        if self.task.resume is not None:
            self.model.partial_fit(self.x[:1], self.y[:1], classes=self.labels)
            done = restore(self.model, self.task.resume)
            first = self.task.resume_epoch + 1
        epochs = int(self.config["epochs"])
        self.reporter.start(epochs, first)
        for epoch in range(first, epochs + 1):
            self.validate(epoch, self.epoch(epoch, done if epoch == first else 0))
        self.finish(epochs)

    def finish(self, epochs: int) -> None:
        """Hands over the files and the result."""
        self.reporter.phase("saving")
        if not self.best_metrics:
            # Everything was done before the last interruption: what was reached is measured once more.
            self.best_metrics = {PRIMARY: float((self.model.predict(self.x_val) == self.y_val).mean())}
            save(self.model, self.task.work / "best.npz", epochs, self.classes)
        for name in ("best", "last"):
            path = self.task.work / f"{name}.npz"
            if path.exists():
                self.reporter.artifact(path.name, path, "application/octet-stream", "weights")
        plot = self.task.work / "confusion_matrix.png"
        if plot.exists():
            self.reporter.artifact(plot.name, plot, "image/png", "plot")
        self.reporter.result(self.best_metrics, epochs)


def train(task: Assignment) -> None:
    """Carries out one attempt."""
    Trainer(task).train()


if __name__ == "__main__":
    run(train, describe)
