"""What the scikit-learn trainer offers."""

from typing import Any

import sklearn

PRIMARY = "metrics/accuracy_top1"
SETTINGS = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "alpha": {"type": "number", "minimum": 0, "maximum": 1, "default": 0.0001, "description": "L2 penalty"},
        "hidden": {"type": "integer", "minimum": 1, "maximum": 4096, "default": 64, "description": "Units of mlp-small"},
        "images_per_s_limit": {
            "type": "number",
            "exclusiveMinimum": 0,
            "description": "Slows the training down, to leave the machine to others",
        },
    },
}


def describe() -> dict[str, Any]:
    """What this framework offers."""
    return {
        "framework": "sklearn",
        "version": sklearn.__version__,
        "license": "BSD-3-Clause",
        "tasks": ["classify"],
        "models": [
            {"name": "sgd-linear", "task": "classify", "family": "linear", "params": None},
            {"name": "mlp-small", "task": "classify", "family": "mlp", "params": None},
        ],
        "defaults": {"classify": {"epochs": 10, "batch_size": 32, "image_size": 16}},
        "settings_schema": SETTINGS,
        "primary_metric": {"classify": PRIMARY},
        "accepts_weights": False,
    }
