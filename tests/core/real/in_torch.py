"""Real exceptions of torch, judged: run in a trainer's environment, which has torch. The last line is the result."""

import io
import json
import os
import pickle
import signal
import socket
import sys
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch

from app.core.classify import classify

OUT_OF_MEMORY = ("HOST_OOM", False, "neutral")
RANKS = ("DISTRIBUTED_COMM_ERROR", True, "neutral")
BUG = ("SYSTEM_ERROR", False, "failure")


class Dying(torch.utils.data.Dataset[Any]):
    """Kills the worker that reads it."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, _: int) -> int:
        os.kill(os.getpid(), signal.SIGKILL)
        return 0


def worker_dies() -> None:
    list(torch.utils.data.DataLoader(Dying(), num_workers=1))


def nobody_comes() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    torch.distributed.TCPStore("127.0.0.1", port, 2, is_master=False, timeout=timedelta(seconds=1))


def rank_missing() -> None:
    store = torch.distributed.TCPStore("127.0.0.1", 0, 1, is_master=True, timeout=timedelta(seconds=1))
    store.wait(["never set"], timedelta(milliseconds=100))


def cuda() -> None:
    torch.zeros(1, device="cuda")


def checkpoint_cut() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "last.pt"
        torch.save({"w": torch.ones(100_000)}, path)
        path.write_bytes(path.read_bytes()[:-5000])
        torch.load(path)


def no_checkpoint() -> None:
    torch.load(io.BytesIO(b"This is a letter."))


def gpu_memory() -> None:
    raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


CASES: dict[str, tuple[Callable[[], Any], tuple[str, bool, str]]] = {
    "no host memory": (lambda: torch.empty(1 << 60), OUT_OF_MEMORY),
    "worker dies": (worker_dies, ("TRAINER_CRASHED", False, "neutral")),
    "nobody comes": (nobody_comes, RANKS),
    "rank missing": (rank_missing, RANKS),
    "no cuda": (cuda, ("CUDA_UNAVAILABLE", False, "neutral")),
    "gpu memory": (gpu_memory, ("CUDA_OOM", False, "neutral")),
    "checkpoint cut": (checkpoint_cut, ("CHECKPOINT_INVALID", False, "neutral")),
    "no checkpoint": (no_checkpoint, ("CHECKPOINT_INVALID", False, "neutral")),
    "shapes": (lambda: torch.ones(2, 3) @ torch.ones(2, 3), BUG),
    "pickle": (lambda: pickle.loads(b"\x80\x04nonsense"), ("CHECKPOINT_INVALID", False, "neutral")),
}


def main() -> None:
    """Judges every case."""
    told = {}
    for name, (provoke, expected) in CASES.items():
        try:
            provoke()
        except BaseException as error:  # noqa: BLE001 - what is raised is the subject
            verdict = classify(error)
            made = [verdict.code, verdict.retryable, verdict.counts]
            told[name] = {"told": made, "expected": list(expected), "error": f"{type(error).__mro__[:2]}: {error}"[:300]}
    sys.stdout.write("\n" + json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
