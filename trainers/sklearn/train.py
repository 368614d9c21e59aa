"""Trains small scikit-learn classifiers on folders of images, epoch by epoch: quick, on any CPU.

Besides being useful for a first look at a data set, it shows what a framework needs to be trained by the platform.
"""

import math
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
from catalogue import PRIMARY, describe
from pictures import MOST, plot_confusion, plot_samples
from PIL import Image, UnidentifiedImageError
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import confusion_matrix, log_loss
from sklearn.neural_network import MLPClassifier

from trainers.harness import Assignment, TrainingError, run

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".webp"}
SHOWN_EVERY = 5.0
"""Seconds between two versions of the pictures."""


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


def load_split(folder: Path, classes: list[str], edge: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """All images of a split: (n, edge * edge) grey values, (n,) class numbers and their files."""
    rows, labels, names = [], [], []
    for index, name in enumerate(classes):
        for path in sorted((folder / name).glob("*")):
            if path.suffix.lower() in SUFFIXES:
                rows.append(read_image(path, edge))
                labels.append(index)
                names.append(f"{folder.name}/{name}/{path.name}")
    return np.asarray(rows).reshape(len(rows), edge * edge), np.asarray(labels, dtype=np.int64), names


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
        self.batch: np.ndarray | None = None
        """The images of the step that is under way."""
        self.shown_at = -math.inf

    def load(self) -> None:
        """Reads all images.

        Raises:
            TrainingError: DATASET_INVALID_FORMAT where there is nothing to train on, DATASET_BROKEN.
        """
        self.reporter.phase("data")
        self.x, self.y, self.files = load_split(self.task.dataset_dir / "train", self.classes, self.edge)
        self.x_val, self.y_val, _ = load_split(self.task.dataset_dir / "val", self.classes, self.edge)
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
            self.batch = rows
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
        """Mean cross entropy; not finite where the weights or what comes of them are not."""
        if not all(np.isfinite(array).all() for array in weights_of(self.model)):
            return math.nan
        shares = self.model.predict_proba(x)
        # Weights that are still numbers may be too large for anything to come of them.
        return float(log_loss(y, shares, labels=self.labels)) if np.isfinite(shares).all() else math.nan

    def validate(self, epoch: int, train_loss: float) -> None:
        """Measures on the validation images, tells the figures, keeps the best weights."""
        self.reporter.phase("validating")
        guess = self.model.predict(self.x_val)
        metrics = {PRIMARY: float((guess == self.y_val).mean())}
        losses = {"train/loss": train_loss, "val/loss": self.loss(self.x_val, self.y_val)}
        last = self.task.work / "last.npz"
        save(self.model, last, epoch, self.classes)
        if metrics[PRIMARY] > self.best:
            self.best, self.best_metrics = metrics[PRIMARY], metrics
            save(self.model, self.task.work / "best.npz", epoch, self.classes)
            self.draw(guess)
        figures = f"accuracy {metrics[PRIMARY]:.4f}  loss {train_loss:.4f}  validation loss {losses['val/loss']:.4f}"
        print(f"epoch {epoch}/{self.config['epochs']}  {figures}", flush=True)
        self.reporter.epoch_end(
            epoch=epoch, metrics=metrics, losses=losses, lr=self.config.get("lr0") or 0.05, images=len(self.y)
        )
        self.reporter.checkpoint(last, epoch)
        self.reporter.phase("training")

    def draw(self, guess: np.ndarray) -> None:
        """Draws what the best weights so far make of the validation images, mistakes first; told at once, but not often."""
        matrix = confusion_matrix(self.y_val, guess, labels=self.labels)
        plot_confusion(matrix, self.classes, self.task.work / "confusion_matrix.png")
        order = np.argsort(guess == self.y_val, kind="stable")[:MOST]
        captions = [
            (self.classes[said] if said == true else f"{self.classes[said]} not {self.classes[true]}", bool(said == true))
            for said, true in zip(guess[order], self.y_val[order], strict=True)
        ]
        plot_samples(self.x_val[order], captions, self.edge, self.task.work / "predictions.png")
        if time.monotonic() - self.shown_at > SHOWN_EVERY:
            self.shown_at = time.monotonic()
            self.tell_pictures()

    def tell_pictures(self) -> None:
        """Hands over the pictures as they are now."""
        for name, role in (("confusion_matrix.png", "plot"), ("predictions.png", "samples")):
            if (self.task.work / name).exists():
                self.reporter.artifact(name, self.task.work / name, "image/png", role)

    def show_batch(self) -> None:
        """Hands over a picture of the batch that the training failed with, and names its files."""
        if self.batch is None:
            return
        self.reporter.batch = [self.files[index] for index in self.batch]
        path = self.task.work / "failed_batch.png"
        captions = [(self.classes[label], True) for label in self.y[self.batch]]
        plot_samples(self.x[self.batch], captions, self.edge, path)
        self.reporter.artifact(path.name, path, "image/png", "samples")

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
        try:
            for epoch in range(first, epochs + 1):
                self.validate(epoch, self.epoch(epoch, done if epoch == first else 0))
        except (ArithmeticError, ValueError, MemoryError):
            self.show_batch()
            raise
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
        self.tell_pictures()
        self.reporter.result(self.best_metrics, epochs)


def train(task: Assignment) -> None:
    """Carries out one attempt."""
    Trainer(task).train()


if __name__ == "__main__":
    run(train, describe)
