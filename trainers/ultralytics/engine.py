"""Ultralytics' trainers with what recovery needs: memory errors that come out, divergence that is seen at once, checkpoints
that hold everything, a validation batch of its own."""

import csv
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import checkpoints
from memory import memory_code
from pieces import gather

from trainers.harness import TrainingError

PATIENCE_WITH_AMP = 10
"""Steps in a row whose loss may be no number in mixed precision, where the scale of the gradients is still sought."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a step is carried out: `piece` images at once, `pieces` of them; `val_batch` images in validation; `rate` is the
    learning rate that was asked for, None where it is left to Ultralytics; `every` steps between two checkpoints within an
    epoch, None for none."""

    piece: int
    pieces: int
    val_batch: int
    rate: float | None = None
    every: int | None = None

    @classmethod
    def of(cls, config: dict[str, Any]) -> "Plan":
        """The plan of a job's configuration."""
        batch = int(config["batch_size"])
        return cls(
            piece=batch,
            pieces=int(config.get("accumulate") or 1),
            val_batch=int(config.get("val_batch_size") or batch * 2),
            rate=config.get("lr0"),
            every=config.get("settings", {}).get("checkpoint_every_steps"),
        )

    @property
    def batch(self) -> int:
        """Images in a step, all pieces together."""
        return self.piece * self.pieces


class Watched:
    """What is put before a trainer of Ultralytics; `plan` and `target` (the file of checkpoints) come with the class."""

    plan: Plan
    target: Path
    bad_steps = 0
    gathered = 0
    best_kept: dict[str, Any] | None = None
    """The best weights so far as a checkpoint of Ultralytics has them; None before the first epoch has ended."""
    order: checkpoints.EpochOrder | None = None
    last_batch: dict[str, Any] | None = None
    """The images of the step that is under way, as the loader gave them."""

    def preprocess_batch(self, batch: dict[str, Any]) -> dict[str, Any]:
        """The batch on its device; what the loader gave is kept, for a device that failed gives nothing back."""
        self.last_batch = {name: batch[name] for name in ("img", "im_file") if name in batch}
        prepared: dict[str, Any] = super().preprocess_batch(batch)  # type: ignore[misc]
        return prepared

    @property
    def _oom_retries(self) -> int:
        # Ultralytics would halve the batch by itself in the first epoch, and the gradients of a step with it. While an error
        # is being handled its three tries are used up, so that the error comes out.
        return 3 if sys.exc_info()[0] is not None else 0

    @_oom_retries.setter
    def _oom_retries(self, _value: int) -> None:
        return

    def _do_train(self) -> None:
        """The training.

        Raises:
            TrainingError: CUDA_OOM, HOST_OOM with where it happened; TRAINING_DIVERGED.
        """
        try:
            super()._do_train()  # type: ignore[misc]
        except (RuntimeError, MemoryError) as error:
            code = memory_code(error)
            if code is None:
                raise
            details = {
                "batch_size": self.plan.piece,
                "accumulate": self.plan.pieces,
                "val_batch_size": self.plan.val_batch,
                "workers": self.args.workers,
                "phase": self.phase(),
            }
            raise TrainingError(code, str(error), **details) from error

    def phase(self) -> str:
        """What is going on; the trainer's callbacks know better."""
        return "training"

    def _setup_train(self) -> None:
        super()._setup_train()  # type: ignore[misc]
        if self.plan.pieces > 1:
            gather(self, max(1, self.plan.piece // max(self.world_size, 1)), self.plan.pieces)

    def _build_train_pipeline(self) -> None:
        super()._build_train_pipeline()  # type: ignore[misc]
        import torch

        inner = self.train_loader.batch_sampler.sampler
        if isinstance(inner.sampler, torch.utils.data.RandomSampler):
            self.order = inner.sampler = checkpoints.EpochOrder(len(inner.sampler), self.args.seed)

    def get_dataloader(self, dataset_path: Any, batch_size: int = 16, rank: int = 0, mode: str = "train") -> Any:
        """The loader; validation has a batch of its own, where Ultralytics takes twice the training's."""
        if mode != "train":
            batch_size = max(1, self.plan.val_batch // max(self.world_size, 1))
        return super().get_dataloader(dataset_path, batch_size=batch_size, rank=rank, mode=mode)  # type: ignore[misc]

    def build_optimizer(self, model: Any, name: str = "auto", **more: Any) -> Any:
        """The optimizer; with ``auto`` and a rate that was asked for, only its kind is chosen."""
        optimizer = super().build_optimizer(model, name=name, **more)  # type: ignore[misc]
        if str(name).lower() == "auto" and self.plan.rate is not None:
            _scale_rates(optimizer, self.plan.rate / self.args.lr0)
            self.args.lr0 = self.plan.rate
        return optimizer

    def resume_training(self, ckpt: dict[str, Any] | None) -> None:
        """Goes on from a checkpoint, within an epoch too, with the learning rate of this attempt."""
        if ckpt is None or not self.resume:
            return
        if ckpt["epoch"] < 0:
            self._load_checkpoint_state(ckpt)
        else:
            super().resume_training(ckpt)  # type: ignore[misc]
        checkpoints.restore(self, ckpt)
        done = (ckpt.get(checkpoints.LIVE) or {}).get("step", 0)
        if self.order is not None:
            self.order.epoch, self.order.skip = self.start_epoch, done * self.train_loader.batch_size
            if done:
                self.train_loader = checkpoints.Rest(self.train_loader, done)
        if self.plan.rate is not None and self.plan.rate != self.args.lr0:
            factor = self.plan.rate / self.args.lr0
            _scale_rates(self.optimizer, factor)
            self.scheduler.base_lrs = [rate * factor for rate in self.scheduler.base_lrs]
            self.args.lr0 = self.plan.rate

    def optimizer_step(self) -> None:
        """A step of the optimizer: gradients are gathered anew after it; `gathered` counts the batches they are of."""
        super().optimizer_step()  # type: ignore[misc]
        self.gathered = 0

    def check_step(self) -> None:
        """To be called after every step.

        Raises:
            TrainingError: TRAINING_DIVERGED where its loss is no number.
        """
        wrong = {name: value for name, value in self.loss_items.items() if not math.isfinite(float(value))}
        self.bad_steps = self.bad_steps + 1 if wrong else 0
        if self.bad_steps > (PATIENCE_WITH_AMP if self.amp else 0):
            name, value = next(iter(wrong.items()))
            raise self.diverged(f"{name} is {float(value)}")

    def diverged(self, what: str) -> TrainingError:
        """The error of a training whose figures are no numbers any more."""
        details: dict[str, Any] = {"epoch": self.epoch + 1, "last_finite_epoch": self.epoch, "lr0": self.args.lr0}
        if self.plan.rate is None:
            # With a rate of one's own Ultralytics would take another optimizer than the one it has chosen.
            details["optimizer"] = "auto"
        return TrainingError("TRAINING_DIVERGED", f"{what} at epoch {self.epoch + 1}", **details)

    def _handle_nan_recovery(self, _epoch: int) -> bool:
        """Ultralytics would go on from its last weights with the rate that led here.

        Raises:
            TrainingError: TRAINING_DIVERGED.
        """
        losses = [float(value) for value in (self.tloss or {}).values()]
        if not all(math.isfinite(value) for value in losses) and not self.amp:
            raise self.diverged("the loss of the epoch is no number")
        if self.fitness is not None and not math.isfinite(self.fitness):
            raise self.diverged(f"the fitness is {self.fitness}")
        if losses and not any(losses) and not self.fitness:
            raise self.diverged("every loss is exactly 0")
        return False

    def save_model(self) -> bool:
        """Saves, unless there is a weight that is no number: Ultralytics would write it down as 0.

        Raises:
            TrainingError: TRAINING_DIVERGED.
        """
        if not (checkpoints.finite(self.ema.ema) and checkpoints.finite(self.model)):
            raise self.diverged("weights are no numbers")
        saved = bool(super().save_model())  # type: ignore[misc]
        if self.best_fitness == self.fitness:
            self.best_kept = checkpoints.best(self)
        return saved

    def read_results_csv(self) -> dict[str, list[float]]:
        """The table of epochs by column. Ultralytics reads it with a library that starts threads, which takes memory."""
        if not self.csv.exists():
            return {}
        with self.csv.open(newline="") as file:
            rows = list(csv.DictReader(file))
        return {name.strip(): [float(row[name]) for row in rows] for name in rows[0]} if rows else {}

    def keep(self, *, epoch: int, step: int = 0) -> Path | None:
        """Writes a checkpoint of `epoch` epochs and `step` steps; None where the weights are no numbers."""
        if step and not (checkpoints.finite(self.ema.ema) and checkpoints.finite(self.model)):
            return None
        return checkpoints.write(self, self.target, epoch=epoch, step=step)


def _scale_rates(optimizer: Any, factor: float) -> None:
    for group in optimizer.param_groups:
        for name in ("lr", "initial_lr"):
            if name in group:
                group[name] *= factor


def watched(base: type, plan: Plan, target: Path, phase: Any) -> type:
    """The trainer class `base` with everything above; `phase` tells what the training is doing."""
    members = {"plan": plan, "target": target, "phase": lambda _self: phase()}
    return type(f"Watched{base.__name__}", (Watched, base), members)
