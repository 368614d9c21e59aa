"""What the installed Ultralytics can train: models by name, settings with their ranges. Reads files, imports no torch."""

import json
import re
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

PRIMARY = {"classify": "metrics/accuracy_top1", "detect": "metrics/mAP50-95(B)"}
DEFAULTS = {
    "classify": {"epochs": 100, "batch_size": 16, "image_size": 224},
    "detect": {"epochs": 100, "batch_size": 16, "image_size": 640},
}
ACTIVATIONS = Path(__file__).with_name("activations.json")
EDGE = 64
"""Edge in pixels at which they were measured."""
OTHER_TASKS = ("-seg", "-pose", "-obb", "-depth", "-sem", "yoloe", "world", "rtdetr")
_SCALES = re.compile(r"^scales:.*?\n((?:[ \t]+.*\n|\s*#.*\n)+)", re.MULTILINE)
_SCALE = re.compile(r"^\s+([a-z]):([^\n]*)$", re.MULTILINE)
_PARAMS = re.compile(r"([\d,]+) parameters")
_FAMILY = re.compile(r"^(yolo(?:v)?\d+)")


def fraction(description: str) -> dict[str, Any]:
    """The schema of a number from 0 to 1."""
    return {"type": "number", "minimum": 0, "maximum": 1, "description": description}


SETTINGS: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "optimizer": {
            "enum": ["auto", "SGD", "Adam", "AdamW", "NAdam", "RAdam", "RMSProp"],
            "description": "auto chooses by the length of the training; with no lr0 its learning rate too",
        },
        "momentum": fraction("Momentum, or beta1 of Adam"),
        "weight_decay": fraction("Weight decay"),
        "lrf": fraction("Last learning rate as a share of the first"),
        "warmup_epochs": {"type": "number", "minimum": 0, "description": "Epochs of warm-up"},
        "cos_lr": {"type": "boolean", "description": "Cosine schedule of the learning rate"},
        "nbs": {"type": "integer", "minimum": 1, "description": "Images that gradients are gathered over"},
        "freeze": {"type": "integer", "minimum": 0, "description": "Number of first layers that stay as they are"},
        "dropout": fraction("Dropout of the classifier's head"),
        "fraction": {"type": "number", "exclusiveMinimum": 0, "maximum": 1, "description": "Share of training images used"},
        "checkpoint_every_steps": {
            "type": "integer",
            "minimum": 1,
            "description": "Steps between two checkpoints within an epoch; there is one at each epoch's end anyway",
        },
        "single_cls": {"type": "boolean", "description": "Treat all classes as one"},
        "close_mosaic": {"type": "integer", "minimum": 0, "description": "Last epochs without mosaic"},
        "hsv_h": fraction("Augmentation: hue"),
        "hsv_s": fraction("Augmentation: saturation"),
        "hsv_v": fraction("Augmentation: brightness"),
        "degrees": {"type": "number", "minimum": 0, "maximum": 180, "description": "Augmentation: rotation"},
        "translate": fraction("Augmentation: shift"),
        "scale": {"type": "number", "minimum": 0, "description": "Augmentation: size"},
        "shear": {"type": "number", "minimum": -180, "maximum": 180, "description": "Augmentation: shear"},
        "perspective": {"type": "number", "minimum": 0, "maximum": 0.001, "description": "Augmentation: perspective"},
        "flipud": fraction("Augmentation: chance of a flip upside down"),
        "fliplr": fraction("Augmentation: chance of a flip left to right"),
        "mosaic": fraction("Augmentation: chance of a mosaic of four images"),
        "mixup": fraction("Augmentation: chance of mixing two images"),
        "cutmix": fraction("Augmentation: chance of pasting a part of another image"),
        "erasing": fraction("Augmentation: chance of erasing a part (classification)"),
        "auto_augment": {
            "enum": ["randaugment", "autoaugment", "augmix", None],
            "description": "Augmentation policy (classification); null for none",
        },
    },
}


def package() -> Path:
    """The folder of the installed package.

    Raises:
        ModuleNotFoundError: it is not installed.
    """
    found = find_spec("ultralytics")
    if found is None or found.origin is None:
        message = "No module named 'ultralytics'"
        raise ModuleNotFoundError(message)
    return Path(found.origin).parent


def models() -> list[dict[str, Any]]:
    """Every detection and classification architecture, each scale by its name, in the order of families."""
    found = []
    known = json.loads(ACTIVATIONS.read_text())["models"] if ACTIVATIONS.is_file() else {}
    for file in sorted((package() / "cfg" / "models").rglob("*.yaml")):
        stem = file.stem
        if any(other in stem for other in OTHER_TASKS) or not (family := _FAMILY.match(stem)):
            continue
        task = "classify" if "-cls" in stem else "detect"
        for name, params in named(stem, family[1], file.read_text()):
            found.append({"name": name, "task": task, "family": family[1], "params": params, **_memory(known.get(name))})
    return sorted(
        found, key=lambda model: (-_generation(model["family"]), model["task"], model["params"] or 0, model["name"])
    )


def _memory(known: list[int] | None) -> dict[str, float]:
    """What one pixel of an image leaves in the model, in bytes; nothing where the model was not measured."""
    return {"activation_bytes_per_pixel": round(known[1] / EDGE**2, 1)} if known else {}


def _generation(family: str) -> int:
    return int(re.sub(r"\D", "", family))


def named(stem: str, family: str, text: str) -> list[tuple[str, int | None]]:
    """Names of an architecture's scales with their number of parameters (None where the file does not say)."""
    scales = _SCALES.search(text)
    if scales is None:
        return [(stem, None)]
    return [
        (
            f"{family}{scale}{stem[len(family) :]}",
            int(count[1].replace(",", "")) if (count := _PARAMS.search(rest)) else None,
        )
        for scale, rest in _SCALE.findall(scales[1])
    ]


def describe() -> dict[str, Any]:
    """What this framework offers."""
    return {
        "framework": "ultralytics",
        "version": version("ultralytics"),
        "license": "AGPL-3.0",
        "tasks": ["classify", "detect"],
        "models": models(),
        "defaults": DEFAULTS,
        "settings_schema": SETTINGS,
        "primary_metric": PRIMARY,
        "accepts_weights": True,
    }
