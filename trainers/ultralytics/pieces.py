"""One training step in pieces, for a batch that does not fit into memory at once.

Ultralytics is given the whole batch; only forward and backward go piece by piece. Its steps, learning rates, warm-up and
weight decay are therefore those of the whole batch. What differs from the whole: batch normalisation sees one piece at a
time (its running figures move by as much in all), and a detection loss is weighed by the objects of its piece.
"""

import math
from contextlib import AbstractContextManager, nullcontext
from itertools import pairwise
from types import MethodType
from typing import Any

PER_OBJECT = ("cls", "bboxes")


def part(batch: dict[str, Any], first: int, last: int) -> dict[str, Any]:
    """Images `first` to `last` (exclusive) of a batch, with their objects."""
    import torch

    count, owner = len(batch["img"]), batch.get("batch_idx")
    mine = None if owner is None else (owner >= first) & (owner < last)
    found: dict[str, Any] = {}
    for name, value in batch.items():
        if mine is not None and name == "batch_idx":
            found[name] = owner[mine] - first
        elif mine is not None and name in PER_OBJECT:
            found[name] = value[mine]
        elif isinstance(value, torch.Tensor | list | tuple) and len(value) == count:
            found[name] = value[first:last]
        else:
            found[name] = value
    return found


def split(batch: dict[str, Any], size: int) -> list[dict[str, Any]]:
    """A batch in pieces of at most `size` images, as even as can be: a piece of one image is hard on normalisation."""
    count = len(batch["img"])
    number = math.ceil(count / size)
    edges = [index * count // number for index in range(number + 1)]
    return [part(batch, first, last) for first, last in pairwise(edges)]


def slow_normalisation(model: Any, pieces: int) -> None:
    """Lets running means and variances move in `pieces` looks by as much as they would in one."""
    import torch

    for module in model.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm) and module.momentum is not None:  # noqa: SLF001
            module.momentum = 1 - (1 - module.momentum) ** (1 / pieces)


def gather(trainer: Any, size: int, pieces: int) -> None:
    """Makes the trainer's model take a batch in pieces of `size` images; the gradients of all of them come together.

    All but the last piece are taken back through the model here, so that their memory is free for the next; the trainer
    does it for the last one, as it would for a whole batch.
    """
    import torch
    from ultralytics.utils import RANK

    model = trainer.model
    slow_normalisation(model, pieces)
    # A classification loss is a mean over images; a detection loss a sum.
    mean = trainer.args.task == "classify"
    scale = trainer.world_size if RANK != -1 else 1

    def forward(self: Any, batch: Any, *args: Any, **more: Any) -> Any:
        whole = type(self).forward
        if not (isinstance(batch, dict) and self.training):
            return whole(self, batch, *args, **more)
        parts, count = split(batch, size), len(batch["img"])
        items: dict[str, Any] = {}
        loss = None
        for number, piece in enumerate(parts, 1):
            last, share = number == len(parts), len(piece["img"]) / count
            with _unsynchronised(self, last):
                loss, told = whole(self, piece)
                loss = loss * share if mean else loss
                for name, value in told.items():
                    items[name] = items.get(name, 0.0) + value.detach() * share
                if not last:
                    with torch.autocast(trainer.device.type, enabled=False):
                        trainer.scaler.scale(loss.sum() * scale).backward()
        return loss, items

    model.forward = MethodType(forward, model)


def _unsynchronised(model: Any, last: bool) -> AbstractContextManager[Any]:
    """Several processes add up their gradients once a step, with the last piece."""
    return nullcontext() if last or not hasattr(model, "no_sync") else model.no_sync()
