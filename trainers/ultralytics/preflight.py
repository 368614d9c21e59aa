"""Checks before anything costs: weights that may be loaded without running what they bring along."""

from pathlib import Path

from trainers.harness import TrainingError

# Classes that Ultralytics' own checkpoints consist of; whatever else a file wants to call, it does not get.
ALLOWED = (
    "ultralytics.nn.modules.",
    "ultralytics.nn.tasks.",
    "ultralytics.utils.IterableSimpleNamespace",
    "ultralytics.utils.loss.",
    "ultralytics.utils.tal.",
    "torch.nn.modules.",
    "torch.Size",
    "torch.torch_version.TorchVersion",
    "collections.",
    "pathlib.PosixPath",
    "numpy.",
    "builtins.set",
    "builtins.slice",
    "__builtin__.set",
)


def safe_weights(path: Path) -> Path:
    """The path of weights that need nothing but known classes to be loaded.

    Raises:
        TrainingError: CHECKPOINT_INVALID where the file is damaged, no checkpoint, or names other code.
    """
    import torch

    try:
        wanted = torch.serialization.get_unsafe_globals_in_checkpoint(str(path))
    except Exception as error:
        # The reader of a foreign format may raise anything; each of them means that it is no checkpoint.
        raise TrainingError("CHECKPOINT_INVALID", f"{path.name} is not a PyTorch checkpoint: {error}") from error
    foreign = [name for name in wanted if not name.startswith(ALLOWED)]
    if foreign:
        names = ", ".join(sorted(foreign)[:5])
        raise TrainingError("CHECKPOINT_INVALID", f"{path.name} wants to call {names}; refused", entity=path.name)
    return path
