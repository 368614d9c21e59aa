"""Writes ``activations.json``: what one image leaves in each model for the way back, at a small size.

Run by hand after another Ultralytics is pinned: ``trainers/ultralytics/.venv/bin/python trainers/ultralytics/measure.py``.
The agent has no time to build a hundred networks before it tells what it offers; the number grows with the image's area, so
that one size says it for all.
"""

import json
import os
from importlib.metadata import version
from pathlib import Path

from catalogue import ACTIVATIONS, EDGE, models
from preflight import activation_bytes


def measured(name: str) -> tuple[int, int] | None:
    """Parameters of a model, and bytes of its activations of one image at `EDGE`; None where it needs a download."""
    from ultralytics import YOLO

    try:
        model = YOLO(f"{name}.yaml").model
    except OSError:
        return None
    return sum(value.numel() for value in model.parameters()), activation_bytes(model, EDGE)


def main() -> None:
    """Measures all models that the installed Ultralytics offers."""
    every = {model["name"]: measured(model["name"]) for model in models()}
    found = {name: figures for name, figures in every.items() if figures}
    table = {"version": version("ultralytics"), "edge": EDGE, "models": dict(sorted(found.items()))}
    lines = json.dumps(table).replace("], ", "],\n").replace('"models": {', '"models": {\n')
    Path(ACTIVATIONS).write_text(lines + "\n")


if __name__ == "__main__":
    os.environ.setdefault("YOLO_OFFLINE", "true")
    main()
