"""The frameworks of this machine: folders with ``trainer.toml`` and ``train.py``; nothing else knows them."""

import json
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DESCRIBE_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Framework:
    """One trainer: its name, how it is started, and how it describes itself (`available`, `reason`)."""

    name: str
    folder: Path
    python: Path
    descriptor: dict[str, Any]

    @property
    def available(self) -> bool:
        """Whether trainings can be run with it."""
        return bool(self.descriptor.get("available"))

    def command(self) -> list[str]:
        """How its training process is started."""
        return [str(self.python), str(self.folder / "train.py")]


def discover(trainers: Path, cache: Path) -> list[Framework]:
    """Every framework below `trainers`, by name. What it says of itself is cached until it changes."""
    found = [_load(file.parent, cache) for file in sorted(trainers.glob("*/trainer.toml"))]
    return sorted(found, key=lambda framework: framework.name)


def _load(folder: Path, cache: Path) -> Framework:
    settings = tomllib.loads((folder / "trainer.toml").read_text())
    name = str(settings["framework"])
    # Not resolved: a virtual environment is found through the link that stands for its interpreter.
    python = folder / str(settings["python"])
    if not python.exists():
        reason = f"its environment is not installed ({settings['python']})"
        return Framework(name, folder, python, _unavailable(name, reason))
    stamp = _stamp(folder, python)
    file = cache / f"{name}.json"
    try:
        cached = json.loads(file.read_text())
        if cached["stamp"] == stamp:
            return Framework(name, folder, python, cached["descriptor"])
    except (OSError, ValueError, KeyError):
        cached = None  # never described, or by another version
    descriptor = _describe(name, folder, python)
    if descriptor["available"]:
        cache.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"stamp": stamp, "descriptor": descriptor}))
    return Framework(name, folder, python, descriptor)


def _stamp(folder: Path, python: Path) -> list[float]:
    watched = [*sorted(folder.glob("*.py")), folder / "trainer.toml", python.parent.parent / "pyvenv.cfg"]
    return [path.stat().st_mtime for path in watched if path.exists()]


def _unavailable(name: str, reason: str) -> dict[str, Any]:
    return {"framework": name, "available": False, "reason": reason, "models": [], "tasks": []}


def _describe(name: str, folder: Path, python: Path) -> dict[str, Any]:
    command = [str(python), str(folder / "train.py"), "--describe"]
    root = str(folder.parent.parent)
    try:
        done = subprocess.run(
            command, env={"PYTHONPATH": root, "PATH": "/usr/bin:/bin", "HOME": root, "YOLO_OFFLINE": "true"},
            capture_output=True, text=True, timeout=DESCRIBE_SECONDS, check=True, cwd="/",
        )  # fmt: skip
        described: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    except subprocess.CalledProcessError as error:
        last = (error.stderr or "").strip().splitlines()[-1:] or [f"exit {error.returncode}"]
        return _unavailable(name, f"cannot describe itself: {last[0][:300]}")
    except (OSError, subprocess.TimeoutExpired, ValueError, IndexError) as error:
        return _unavailable(name, f"cannot describe itself: {error}"[:300])
    return {**described, "framework": name, "available": True}
