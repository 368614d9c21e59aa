"""Does a repaired training learn as much? Final accuracy of trainings that ran out of memory and were repaired beside the
same trainings with memory enough: same data, same seeds.

Run by ``.venv/bin/python benchmarks/recovery_accuracy.py``; prints a table. Each pair is trained by the real trainer in its
own environment: the whole batch; then the batch in two pieces; then the whole batch up to an epoch in the middle, and from
its checkpoint in pieces, as the platform does it.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TRAINER = ROOT / "trainers" / "ultralytics"
PYTHON = TRAINER / ".venv" / "bin" / "python"
OPTIONS = {"fliplr": 0, "erasing": 0, "auto_augment": None, "scale": 0.2}
BATCH, EPOCHS, EDGE = 32, 5, 64


def train(folder: Path, data: Path, config: dict[str, Any], resume: tuple[Path, int] | None = None) -> list[dict[str, Any]]:
    """Carries out one attempt and gives what it told.

    Raises:
        RuntimeError: it failed.
    """
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "work").mkdir(parents=True)
    spec = {
        "config": config,
        "dataset": {"task": "classify", "classes": [str(number) for number in range(10)]},
        "resume": {"epoch": resume[1]} if resume else None,
    }
    (folder / "spec.json").write_text(json.dumps(spec))
    environment = {
        **os.environ, "PYTHONPATH": str(ROOT), "VTP_ATTEMPT_DIR": str(folder), "VTP_DATASET_DIR": str(data),
        **({"VTP_RESUME": str(resume[0])} if resume else {}),
    }  # fmt: skip
    done = subprocess.run(
        [str(PYTHON), str(TRAINER / "train.py")], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        message = done.stderr[-2000:]
        raise RuntimeError(message)
    return [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]


def top1(events: list[dict[str, Any]]) -> float:
    """The accuracy that a training reached."""
    result = next(event for event in events if event["kind"] == "result")
    return float(result["metrics"]["metrics/accuracy_top1"])


def row(seed: int, scratch: Path, data: Path) -> tuple[float, float, float]:
    """Accuracy of one seed: unfailed, in pieces from the start, repaired in the middle."""
    whole = {
        "model": "yolo11n-cls", "epochs": EPOCHS, "batch_size": BATCH, "accumulate": 1, "image_size": EDGE, "seed": seed,
        "device": "cpu", "workers": None, "lr0": None, "settings": OPTIONS,
    }  # fmt: skip
    pieces = {**whole, "batch_size": BATCH // 2, "accumulate": 2}
    unfailed = train(scratch / "whole", data, whole)
    kept = [event for event in unfailed if event["kind"] == "checkpoint"][EPOCHS // 2 - 1]
    from_start = train(scratch / "pieces", data, pieces)
    repaired = train(scratch / "repaired", data, pieces, (scratch / "whole" / kept["path"], kept["epoch"]))
    return top1(unfailed), top1(from_start), top1(repaired)


def main() -> None:
    """Trains and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    seeds = parser.parse_args().seeds
    scratch = Path(tempfile.mkdtemp(prefix="vtp-recovery-"))
    try:
        with zipfile.ZipFile(ROOT / "samples" / "digits-classify.zip") as archive:
            archive.extractall(scratch / "data")
        data = next(path.parent for path in (scratch / "data").rglob("train"))
        print(
            f"yolo11n-cls, digits, {EPOCHS} epochs, image {EDGE}, effective batch {BATCH}; top-1 of the validation images\n"
        )
        print("| seed | unfailed, batch 32 | in pieces 16 x 2 | repaired after epoch 2 |")
        print("|---|---|---|---|")
        rows = []
        for seed in range(seeds):
            rows.append(row(seed, scratch, data))
            print(f"| {seed} | " + " | ".join(f"{value:.4f}" for value in rows[-1]) + " |", flush=True)
        columns = list(zip(*rows, strict=True))
        print("| mean | " + " | ".join(f"{statistics.mean(column):.4f}" for column in columns) + " |")
        spread = max(columns[0]) - min(columns[0])
        apart = max(abs(statistics.mean(column) - statistics.mean(columns[0])) for column in columns[1:])
        print(
            f"\nunfailed trainings differ by {spread:.4f} between seeds, means of repaired ones from theirs by {apart:.4f}"
        )
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
