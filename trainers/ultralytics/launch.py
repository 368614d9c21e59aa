"""Trainings on several GPUs: one process each, started here and not by Ultralytics, whose launcher would run a script that
nobody listens to. Each process is this trainer with its rank, so each leaves its own record of a failure."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path


def processes(device: str) -> int:
    """How many processes a device needs: one for each GPU of ``0,1``, one for anything else."""
    return len([part for part in device.split(",") if part.strip()]) if "," in device else 1


def command(device: str, script: str, environment: Mapping[str, str]) -> list[str] | None:
    """How to start all processes; None where there is one, or where this is one of them."""
    number = processes(device)
    if number < 2 or "RANK" in environment:
        return None
    return [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nnodes=1", f"--nproc-per-node={number}",
        "--max-restarts=0", script,
    ]  # fmt: skip


def spread(script: str) -> None:
    """Takes this process's place with the launcher where the attempt wants several GPUs; else returns."""
    folder = os.environ.get("VTP_ATTEMPT_DIR")
    if folder is None:
        return
    device = str(json.loads((Path(folder) / "spec.json").read_text())["config"].get("device", "auto"))
    wanted = command(device, script, os.environ)
    if wanted is not None:
        os.execv(wanted[0], wanted)  # noqa: S606 - no shell is wanted; the arguments are our own
