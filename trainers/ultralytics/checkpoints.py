"""Checkpoints that a training goes on from as if nothing had happened.

Ultralytics' own keep the averaged weights and a rounded optimizer: going on from them sets a training back. These keep the
weights themselves, the optimizer in full, the best weights so far, and how many steps of the epoch are done; Ultralytics
reads them like its own.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

LIVE = "vtp"


def state(trainer: Any, epoch: int, step: int) -> dict[str, Any]:
    """Everything of a training that has finished `epoch` epochs and `step` steps of the next."""
    from ultralytics.utils.torch_utils import unwrap_model

    live = {
        "model": unwrap_model(trainer.model).state_dict(),
        "optimizer": trainer.optimizer.state_dict(),
        "step": step,
        "best": trainer.best_kept,
    }
    # Right after the best epoch both are the same weights: they are then written once.
    best = trainer.best_kept
    newest = best is not None and step == 0 and best["epoch"] == epoch - 1
    average = best["ema"] if newest else trainer.ema.ema
    return _averaged(trainer, epoch, average) | {"scaler": trainer.scaler.state_dict(), LIVE: live}


def _averaged(trainer: Any, epoch: int, average: Any) -> dict[str, Any]:
    """What Ultralytics reads of a checkpoint, its averaged weights being `average`; no optimizer."""
    from ultralytics import __version__

    stopper = trainer.stopper
    return {
        "epoch": epoch - 1,
        "best_fitness": trainer.best_fitness,
        "stopper": {"best_fitness": stopper.best_fitness, "best_epoch": stopper.best_epoch},
        "model": None,
        "ema": average,
        "updates": trainer.ema.updates,
        "optimizer": None,
        "train_args": vars(trainer.args),
        "train_metrics": {**(trainer.metrics or {}), "fitness": trainer.fitness},
        "train_results": trainer.read_results_csv(),
        "version": __version__,
    }


def best(trainer: Any) -> dict[str, Any]:
    """The averaged weights of the epoch that has just ended, to be kept as the best so far."""
    with _bare(trainer.ema.ema) as average:
        return _averaged(trainer, trainer.epoch + 1, deepcopy(average))


@contextmanager
def _bare(model: Any) -> Iterator[Any]:
    """The model without its loss, which is made anew from its arguments and does not belong into a file."""
    loss, model.criterion = getattr(model, "criterion", None), None
    try:
        yield model
    finally:
        model.criterion = loss


def write(trainer: Any, target: Path, *, epoch: int, step: int = 0) -> Path:
    """Writes a checkpoint to `target`, whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    import torch

    target.parent.mkdir(exist_ok=True)
    part = target.with_suffix(".part")
    with _bare(trainer.ema.ema):
        torch.save(state(trainer, epoch, step), part)
    part.replace(target)
    return target


def finite(model: Any) -> bool:
    """Whether every weight is a number."""
    import torch

    return all(bool(torch.isfinite(value).all()) for value in model.state_dict().values() if value.is_floating_point())


def restore(trainer: Any, stored: dict[str, Any]) -> None:
    """Puts back what only checkpoints of this module have; others (a user's ``last.pt``) are taken as they are."""
    import torch
    from ultralytics.utils.torch_utils import unwrap_model

    live = stored.get(LIVE)
    if live is None:
        return
    unwrap_model(trainer.model).load_state_dict(live["model"])
    fused = [group.get("fused") for group in trainer.optimizer.param_groups]
    trainer.optimizer.load_state_dict(live["optimizer"])
    for group, kernel in zip(trainer.optimizer.param_groups, fused, strict=True):
        # The device of this machine, not that of the last one, chooses the kernel.
        group["fused"] = kernel
    trainer.best_kept = live["best"]
    if live["best"] is not None:
        torch.save(live["best"], trainer.best)
    _restore_results(trainer.csv, stored.get("train_results") or {}, stored["epoch"] + 1)


def _restore_results(file: Path, columns: dict[str, list[Any]], epochs: int) -> None:
    """Writes the table of the epochs that are done, so that table and curves are those of the whole training."""
    if not columns:
        return
    rows = [
        row for row in zip(*columns.values(), strict=True) if dict(zip(columns, row, strict=True)).get("epoch", 0) <= epochs
    ]
    lines = [",".join(columns), *(",".join(f"{value:.6g}" for value in row) for row in rows)]
    file.write_text("\n".join(lines) + "\n")


def export(stored: dict[str, Any], best: Path, last: Path) -> None:
    """Writes the weights that a checkpoint holds as a finished training would have left them."""
    import torch
    from ultralytics.utils.torch_utils import strip_optimizer

    plain = {name: value for name, value in stored.items() if name != LIVE}
    kept = (stored.get(LIVE) or {}).get("best")
    for content, target in ((plain, last), (kept or plain, best)):
        torch.save(content, target)
        strip_optimizer(target)


class EpochOrder:
    """The order of images in each epoch, drawn from seed and epoch alone: a resumed training sees what it would have seen.

    Each pass is the next epoch; the first one leaves out the first `skip` images.
    """

    def __init__(self, count: int, seed: int, epoch: int = 0, skip: int = 0) -> None:
        self.count, self.seed, self.epoch, self.skip = count, seed, epoch, skip

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[int]:
        import torch

        generator = torch.Generator().manual_seed(_mixed(self.seed, self.epoch))
        order = torch.randperm(self.count, generator=generator).tolist()[self.skip :]
        self.epoch, self.skip = self.epoch + 1, 0
        yield from order


def _mixed(seed: int, epoch: int) -> int:
    return (seed * 1_000_003 + epoch) % 2**32


def seed_epoch(seed: int, epoch: int) -> None:
    """Draws the epoch's augmentations from seed and epoch alone."""
    import numpy as np
    import torch

    mixed = _mixed(seed, epoch)
    random.seed(mixed)
    np.random.seed(mixed)
    torch.manual_seed(mixed)


class Rest:
    """The train loader in the epoch that a training was stopped in: the batches that were not done yet, then as ever."""

    def __init__(self, loader: Any, done: int) -> None:
        self.loader, self.done = loader, done

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loader, name)

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[Any]:
        if self.loader.iterator is None:
            self.loader.iterator = self.loader._get_iterator()  # noqa: SLF001 - as its own __iter__ does
        left, self.done = len(self.loader) - self.done, 0
        for _ in range(left):
            yield next(self.loader.iterator)
