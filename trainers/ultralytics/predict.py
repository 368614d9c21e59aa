"""Applies weights to images: ``predict.py WEIGHTS IMAGE…`` prints one JSON object an image."""

import json
import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))


def main() -> None:
    """Prints file, and for classification top1 and confidence, for detection the boxes."""
    os.environ.setdefault("YOLO_CONFIG_DIR", tempfile.mkdtemp(prefix="vtp-predict-"))
    os.environ["YOLO_OFFLINE"] = "true"
    # Every checkpoint is read with known classes only, also where Ultralytics reads it by itself.
    os.environ["ULTRALYTICS_SAFE_LOAD"] = "true"
    from preflight import safe_weights
    from ultralytics import YOLO

    model = YOLO(str(safe_weights(Path(sys.argv[1]))))
    edge = model.ckpt["train_args"]["imgsz"]
    for file in sys.argv[2:]:
        result = model.predict(file, imgsz=edge, device="cpu", verbose=False)[0]
        if result.probs is not None:
            found = {"top1": result.names[result.probs.top1], "confidence": round(float(result.probs.top1conf), 4)}
        else:
            found = {
                "boxes": [
                    {
                        "class": result.names[int(box.cls)],
                        "confidence": round(float(box.conf), 4),
                        "xyxy": [round(value, 1) for value in box.xyxy[0].tolist()],
                    }
                    for box in result.boxes
                ]
            }
        print(json.dumps({"file": Path(file).name, **found}), flush=True)  # noqa: T201 - its output


if __name__ == "__main__":
    main()
