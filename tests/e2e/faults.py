"""Faults that the recovery tests put into the real Ultralytics trainer, in its own process. A job's name says which.

Nothing of this is known to the product: `install` lays a folder of trainers down whose ``train.py`` loads a fault and then
runs the real one.
"""

import json
import math
import os
import resource
import runpy
import sys
from pathlib import Path
from typing import Any

MIB = 1024**2
TRAINERS = Path(__file__).resolve().parents[2] / "trainers"
DEVICE_HOLDS = 8
"""Images of a step that the pretended GPU holds."""
VALIDATION_HOLDS = 20
NAN_FROM = (2, 3)
"""Epoch and step from which a too high learning rate gives no numbers."""
HIGHEST_RATE = 0.01
ROOM_MIB = 700
"""Memory beyond what the trainer holds before its first step."""


def install(folder: Path) -> Path:
    """A folder of trainers for an agent: the real ones, each begun by way of this module."""
    for name in ("sklearn", "ultralytics"):
        trainer = folder / name
        trainer.mkdir(parents=True)
        python = TRAINERS / name / ".venv" / "bin" / "python"
        (trainer / "trainer.toml").write_text(f'framework = "{name}"\npython = "{python}"\n')
        paths = [str(Path(__file__).parent), str(TRAINERS.parent)]
        text = f"import sys\nsys.path[:0] = {paths!r}\nimport faults\nfaults.main({name!r})\n"
        (trainer / "train.py").write_text(text)
    return folder


def main(name: str) -> None:
    """Runs the real trainer `name` with the fault that the job's name asks for."""
    real = TRAINERS / name / "train.py"
    folder = os.environ.get("VTP_ATTEMPT_DIR")
    if folder is not None:
        sys.path.insert(0, str(real.parent))
        config = json.loads((Path(folder) / "spec.json").read_text())["config"]
        fault = FAULTS.get(config.get("name"))
        if fault is not None:
            fault(config)
    runpy.run_path(str(real), run_name="__main__")


def small_gpu(_config: dict[str, Any]) -> None:
    """A step with more images than the device holds raises what CUDA raises."""
    import torch
    from ultralytics.nn.tasks import BaseModel

    loss = BaseModel.loss

    def limited(self: Any, batch: Any, preds: Any = None) -> Any:
        if self.training and len(batch["img"]) > DEVICE_HOLDS:
            message = "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 8.00 GiB"
            raise torch.cuda.OutOfMemoryError(message)
        return loss(self, batch, preds)

    BaseModel.loss = limited


def small_validation(_config: dict[str, Any]) -> None:
    """A validation step with more images than the device holds raises what CUDA raises."""
    import torch
    from ultralytics.models.yolo.classify.val import ClassificationValidator

    preprocess = ClassificationValidator.preprocess

    def limited(self: Any, batch: Any) -> Any:
        if len(batch["img"]) > VALIDATION_HOLDS:
            message = "CUDA out of memory. Tried to allocate 1.00 GiB. GPU 0 has a total capacity of 8.00 GiB"
            raise torch.cuda.OutOfMemoryError(message)
        return preprocess(self, batch)

    ClassificationValidator.preprocess = limited


def too_fast(config: dict[str, Any]) -> None:
    """A learning rate above the highest that goes well makes the loss no number, after a while."""
    from ultralytics.engine.trainer import BaseTrainer
    from ultralytics.nn.tasks import BaseModel

    where = {"epoch": 0, "step": 0}
    start, loss = BaseTrainer._model_train, BaseModel.loss

    def epoch(self: Any) -> None:
        where.update(epoch=self.epoch + 1, step=0)
        start(self)

    def diverging(self: Any, batch: Any, preds: Any = None) -> Any:
        value, items = loss(self, batch, preds)
        if self.training:
            where["step"] += 1
            if config["lr0"] > HIGHEST_RATE and (where["epoch"], where["step"]) >= NAN_FROM:
                return value * math.nan, {name: item * math.nan for name, item in items.items()}
        return value, items

    BaseTrainer._model_train, BaseModel.loss = epoch, diverging


def little_memory(_config: dict[str, Any]) -> None:
    """While it trains, the process may take little more memory than it has before its first step."""
    from ultralytics.engine.trainer import BaseTrainer

    setup, last = BaseTrainer._setup_train, BaseTrainer.final_eval

    def limited(self: Any) -> None:
        setup(self)
        held = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (held + ROOM_MIB * MIB, resource.RLIM_INFINITY))

    def free(self: Any) -> None:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        last(self)

    BaseTrainer._setup_train, BaseTrainer.final_eval = limited, free


def _batches_of_a_local_class(workers: int) -> None:
    """Loads from a data set that other processes cannot be given, in fresh processes: real, and well without workers."""
    from torch.utils.data import DataLoader

    class Numbers(list[int]):
        pass

    context = "spawn" if workers else None
    list(DataLoader(Numbers(range(4)), num_workers=workers, multiprocessing_context=context))


def bad_workers(config: dict[str, Any]) -> None:
    """Workers need more shared memory than there is until they share files, and then cannot be started at all."""
    from ultralytics.engine.trainer import BaseTrainer

    setup = BaseTrainer._setup_train

    def limited(self: Any) -> None:
        if config["workers"] and config.get("sharing") != "file_system":
            message = "unable to allocate shared memory(shm) for file </torch_91_1_0>: No space left on device (28)"
            raise RuntimeError(message)
        _batches_of_a_local_class(config["workers"])
        setup(self)

    BaseTrainer._setup_train = limited


FAULTS = {
    "bad workers": bad_workers,
    "small gpu": small_gpu,
    "small validation": small_validation,
    "too fast": too_fast,
    "little memory": little_memory,
}
