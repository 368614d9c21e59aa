"""Checks in seconds before anything costs: data, weights, disk, shared memory, memory.

Each estimate is a lower bound, so that nothing is refused that could have worked.
"""

import shutil
from pathlib import Path
from typing import Any

from engine import Plan

from trainers.harness import Assignment, TrainingError
from trainers.harness.room import host_room

MIB = 1024**2
PLOTS_BYTES = 16 * MIB
BYTES = 4
"""Bytes of a weight, a gradient, an activation."""
COPIES = 3
"""Weights, gradients and averaged weights; an optimizer has its state besides."""
PREFETCHED = 2
"""Batches a loader worker holds at least."""


def safe_weights(path: Path) -> Path:
    """The path of weights that load with the classes of an Ultralytics checkpoint and nothing else.

    Raises:
        TrainingError: CHECKPOINT_INVALID where the file is damaged, no checkpoint, or names other code.
    """
    load_weights(path)
    return path


def load_weights(path: Path) -> dict[str, Any]:
    """A checkpoint's content, read with known classes only.

    Raises:
        TrainingError: CHECKPOINT_INVALID.
    """
    from ultralytics.nn.tasks import torch_safe_load

    try:
        stored, _ = torch_safe_load(str(path), safe_only=True)
    except MemoryError:
        raise
    except Exception as error:
        # The reader of a foreign format may raise anything; each of them means that it cannot be loaded.
        reason = " ".join(str(error).split())[:300]
        raise _invalid(path, f"cannot be loaded: {reason}") from error
    if not isinstance(stored, dict) or not (stored.get("ema") or stored.get("model")):
        raise _invalid(path, "holds no model")
    return stored


def _invalid(path: Path, why: str) -> TrainingError:
    return TrainingError("CHECKPOINT_INVALID", f"{path.name} {why}", entity=path.name)


def check_weights(task: Assignment, path: Path) -> None:
    """Weights fit the task, and a checkpoint to go on from the classes too.

    Raises:
        TrainingError: CHECKPOINT_INVALID, MODEL_DATA_MISMATCH.
    """
    from checkpoints import finite

    stored = load_weights(path)
    model = stored.get("ema") or stored["model"]
    kind = (stored.get("train_args") or {}).get("task") or getattr(model, "task", None)
    if kind not in (None, task.dataset["task"]):
        message = f"{path.name} was trained to {kind}, the data set is to {task.dataset['task']}"
        raise TrainingError("MODEL_DATA_MISMATCH", message, model_task=kind, dataset_task=task.dataset["task"])
    if not finite(model):
        raise _invalid(path, "has weights that are no numbers")
    if task.resume is None:
        return
    known = len(getattr(model, "names", None) or {}) or None
    single = task.config.get("settings", {}).get("single_cls")
    wanted = 1 if single else len(task.dataset["classes"])
    if known not in (None, wanted):
        raise _invalid(path, f"knows {known} classes, the data set has {wanted}")


def check_data(task: Assignment) -> None:
    """The folders that a training reads are there and not empty.

    Raises:
        TrainingError: DATASET_NOT_FOUND, DATASET_INVALID_FORMAT.
    """
    root = task.dataset_dir
    if not root.is_dir():
        raise TrainingError("DATASET_NOT_FOUND", f"no data set at {root.name}", path=root.name)
    if task.dataset["task"] != "classify":
        if not (root / "data.yaml").is_file():
            raise TrainingError("DATASET_NOT_FOUND", "the data set has no data.yaml", path="data.yaml")
        return
    for part in ("train", "val"):
        if not any(file.is_file() for file in (root / part).glob("*/*")):
            raise TrainingError("DATASET_INVALID_FORMAT", f"there are no images under {part}", path=part)


def check_disk(task: Assignment, parameters: int) -> None:
    """There is room for the last checkpoints, the weights and the plots.

    Raises:
        TrainingError: DISK_FULL.
    """
    checkpoint = parameters * BYTES * (COPIES + 1)
    needed = 2 * checkpoint + PLOTS_BYTES
    free = shutil.disk_usage(task.folder).free
    if free < needed:
        message = f"{free / MIB:.0f} MiB free, at least {needed / MIB:.0f} MiB needed for checkpoints and plots"
        raise TrainingError("DISK_FULL", message, free_bytes=free, needed_bytes=needed)


def check_shared_memory(task: Assignment, plan: Plan, edge: int, workers: int) -> None:
    """What loader workers hand over passes through /dev/shm.

    Raises:
        TrainingError: SHM_EXHAUSTED.
    """
    if workers == 0 or task.config.get("sharing") == "file_system" or not Path("/dev/shm").is_dir():  # noqa: S108
        return
    needed = workers * PREFETCHED * plan.batch * 3 * edge * edge
    free = shutil.disk_usage("/dev/shm").free  # noqa: S108 - measured, not written to
    if free < needed:
        message = f"shared memory has {free / MIB:.0f} MiB free, {workers} workers need {needed / MIB:.0f} MiB"
        raise TrainingError("SHM_EXHAUSTED", message, workers=workers, free_bytes=free, needed_bytes=needed)


def activation_bytes(model: Any, edge: int) -> int:
    """What one image leaves behind in the model for the way back: outputs of its convolutions, at least."""
    import torch

    total = 0

    def count(_module: Any, _inputs: Any, output: Any) -> None:
        nonlocal total
        total += output.numel() * BYTES

    layers = [layer for layer in model.modules() if isinstance(layer, torch.nn.Conv2d)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    training = model.training
    try:
        with torch.no_grad():
            model.eval()
            model(torch.zeros(1, 3, edge, edge))
    finally:
        model.train(training)
        for hook in hooks:
            hook.remove()
    return total


def check_memory(model: Any, plan: Plan, edge: int, device: str) -> None:
    """Weights, gradients, optimizer and the activations of one piece fit at all.

    Raises:
        TrainingError: CUDA_OOM, HOST_OOM.
    """
    import torch

    parameters = sum(value.numel() for value in model.parameters())
    needed = parameters * BYTES * (COPIES + 1) + plan.piece * activation_bytes(model, edge)
    if device == "cpu":
        code, room = "HOST_OOM", host_room()
    else:
        # Mixed precision halves most activations.
        needed = needed // 2
        code, room = "CUDA_OOM", torch.cuda.mem_get_info(int(device.split(",", maxsplit=1)[0]))[0]
    if needed > room:
        message = f"a step of {plan.piece} images needs at least {needed / MIB:.0f} MiB, {room / MIB:.0f} MiB are free"
        details = {"batch_size": plan.piece, "accumulate": plan.pieces, "phase": "preflight"}
        raise TrainingError(code, message, **details, needed_bytes=needed, max_bytes=room)


def check_device(device: str) -> None:
    """The GPUs that were asked for are there.

    Raises:
        TrainingError: CUDA_UNAVAILABLE.
    """
    if device == "cpu":
        return
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    missing = [part for part in device.split(",") if part.strip().isdecimal() and int(part) >= count]
    if missing:
        message = f"GPU {', '.join(missing)} was asked for, PyTorch finds {count or 'none'} here"
        raise TrainingError("CUDA_UNAVAILABLE", message, device=device)


def check(task: Assignment, model: Any, plan: Plan, *, edge: int, workers: int, device: str) -> None:
    """Everything that can be told before data are loaded; `model` is the network to train.

    Raises:
        TrainingError: DATASET_NOT_FOUND, DATASET_INVALID_FORMAT, CUDA_UNAVAILABLE, DISK_FULL, SHM_EXHAUSTED, CUDA_OOM,
            HOST_OOM.
    """
    check_data(task)
    check_device(device)
    check_disk(task, sum(value.numel() for value in model.parameters()))
    check_shared_memory(task, plan, edge, workers)
    check_memory(model, plan, edge, device)
