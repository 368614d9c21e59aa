"""Callbacks that tell the harness where Ultralytics' training stands, and stop it where that was asked for."""

import time
from typing import Any

from catalogue import PRIMARY
from checkpoints import seed_epoch

from trainers.harness import Assignment
from trainers.harness.failure import rank

EVENTS = (
    "on_train_start",
    "on_train_epoch_start",
    "on_train_batch_start",
    "on_train_batch_end",
    "on_val_batch_end",
    "on_model_save",
    "on_fit_epoch_end",
)
FIRST_PICTURES = {"labels.jpg": "plot", "train_batch0.jpg": "samples"}
PENDING_SECONDS = 2.0
"""How long a stop waits for the gradients of a step to be complete."""


def primary_first(metrics: dict[str, Any], primary: str) -> dict[str, Any]:
    """The metrics with the one that chooses the best weights in front."""
    return {name: metrics[name] for name in sorted(metrics, key=lambda name: (name != primary, name))}


def gpu_memory(device: Any) -> tuple[int, int] | None:
    """Bytes held on the GPU and bytes that it has; None on a CPU."""
    import torch

    if device.type != "cuda":
        return None
    return torch.cuda.memory_reserved(device), torch.cuda.get_device_properties(device).total_memory


class Told:
    """The callbacks of one training."""

    def __init__(self, task: Assignment) -> None:
        self.task, self.reporter = task, task.reporter
        self.trainer: Any = None
        self.step = 0
        self.last_epoch = 0
        self.epoch_open = False
        self.asked_at: float | None = None
        self.pictures: set[str] = set()
        self.primary = PRIMARY[task.dataset["task"]]

    def attach(self, model: Any) -> None:
        """Registers all callbacks."""
        for event in EVENTS:
            model.add_callback(event, getattr(self, event))

    def on_train_start(self, trainer: Any) -> None:
        """Data are loaded, the first step comes."""
        self.trainer = trainer
        self.reporter.start(trainer.epochs, trainer.start_epoch + 1)

    def on_train_epoch_start(self, trainer: Any) -> None:
        """A new epoch."""
        self.step, self.epoch_open = getattr(trainer.train_loader, "done", 0), True
        seed_epoch(trainer.args.seed + rank(), trainer.epoch)
        self.reporter.phase("training")

    def on_train_batch_start(self, trainer: Any) -> None:
        """A step begins."""
        trainer.gathered += 1

    def on_train_batch_end(self, trainer: Any) -> None:
        """A step is done.

        Raises:
            TrainingError: TRAINING_DIVERGED.
            Stopped: the training was asked to stop, and a checkpoint is left.
        """
        self.step += 1
        trainer.check_step()
        steps = len(trainer.train_loader)
        self.reporter.progress(
            epoch=trainer.epoch + 1,
            step=self.step,
            steps=steps,
            losses=trainer.label_loss_items(trainer.tloss),
            lr=trainer.optimizer.param_groups[0]["lr"],
            images=self.step * trainer.batch_size,
            gpu=gpu_memory(trainer.device),
        )
        if self.step >= steps:
            self.reporter.phase("validating")
            return
        if self._stop_now(trainer):
            self._keep(trainer, epoch=trainer.epoch, step=self.step)
            self.task.leave()
        if trainer.plan.every and self.step % trainer.plan.every == 0:
            self._keep(trainer, epoch=trainer.epoch, step=self.step)

    def _stop_now(self, trainer: Any) -> bool:
        """Whether to stop after this step: asked to, and no gathered gradients would be lost, or that took too long."""
        if not self.task.stop_requested():
            return False
        self.asked_at = self.asked_at or time.monotonic()
        return not trainer.gathered or time.monotonic() - self.asked_at > PENDING_SECONDS

    def on_val_batch_end(self, validator: Any) -> None:
        """A validation batch is done.

        Raises:
            Stopped: the training was asked to stop; the epoch that is being measured is kept.
        """
        if validator.training and self.epoch_open and self.task.stop_requested():
            self._keep(self.trainer, epoch=self.trainer.epoch + 1)
            self.task.leave()

    def _keep(self, trainer: Any, *, epoch: int, step: int = 0) -> None:
        if rank() > 0:
            return
        written = trainer.keep(epoch=epoch, step=step)
        if written is not None:
            self.reporter.checkpoint(written, epoch)

    def on_model_save(self, trainer: Any) -> None:
        """An epoch's weights were saved; what a later attempt goes on from is written beside them."""
        self._keep(trainer, epoch=trainer.epoch + 1)

    def on_fit_epoch_end(self, trainer: Any) -> None:
        """An epoch with its validation is done; the last validation of all comes here too, and is none."""
        if not self.epoch_open:
            return
        self.epoch_open, self.last_epoch = False, trainer.epoch + 1
        told = {**trainer.label_loss_items(trainer.tloss), **(trainer.metrics or {})}
        self.reporter.epoch_end(
            epoch=self.last_epoch,
            metrics=primary_first(
                {name: value for name, value in told.items() if name.startswith("metrics/")}, self.primary
            ),
            losses={name: value for name, value in told.items() if name.startswith(("train/", "val/"))},
            lr=trainer.optimizer.param_groups[0]["lr"],
            images=len(trainer.train_loader.dataset),
            gpu=gpu_memory(trainer.device),
        )
        self._first_pictures(trainer)

    def _first_pictures(self, trainer: Any) -> None:
        """What Ultralytics draws of the labels and the first batches is worth a look while there is still time to stop."""
        for name, role in FIRST_PICTURES.items():
            if (trainer.save_dir / name).exists() and name not in self.pictures:
                self.pictures.add(name)
                self.reporter.artifact(name, trainer.save_dir / name, "image/jpeg", role)
