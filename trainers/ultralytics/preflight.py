"""Checks before anything costs: weights that may be loaded without running what they bring along."""

from pathlib import Path

from trainers.harness import TrainingError


def safe_weights(path: Path) -> Path:
    """The path of weights that load with the classes of an Ultralytics checkpoint and nothing else.

    Raises:
        TrainingError: CHECKPOINT_INVALID where the file is damaged, no checkpoint, or names other code.
    """
    from ultralytics.nn.tasks import torch_safe_load

    try:
        torch_safe_load(str(path), safe_only=True)
    except MemoryError:
        raise
    except Exception as error:
        # The reader of a foreign format may raise anything; each of them means that it cannot be loaded.
        reason = " ".join(str(error).split())[:300]
        raise TrainingError("CHECKPOINT_INVALID", f"{path.name} cannot be loaded: {reason}", entity=path.name) from error
    return path
