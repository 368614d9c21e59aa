"""Builds the sample sets from the 1,797 handwritten digits that scikit-learn ships (UCI, CC BY 4.0).

Run with the scikit-learn trainer's interpreter: ``trainers/sklearn/.venv/bin/python tools/build_digits.py samples``.
The same input gives the same bytes: order, times and random numbers are fixed.
"""

import io
import json
import sys
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

EDGE, CANVAS = 32, 128
VAL_EVERY, HELD_BACK = 8, 10
DETECT_TRAIN, DETECT_VAL = 200, 40
BROKEN_EVERY_CLASS = 40
TIME = (2026, 1, 1, 0, 0, 0)


def png(grey: np.ndarray) -> bytes:
    """An array of grey values (0 to 255) as PNG."""
    buffer = io.BytesIO()
    Image.fromarray(grey.astype(np.uint8)).save(buffer, "PNG", optimize=False)
    return buffer.getvalue()


def enlarge(digit: np.ndarray, edge: int) -> np.ndarray:
    """A digit of 8 × 8 values from 0 to 16 as edge × edge grey values, ink bright on dark."""
    small = Image.fromarray((digit * (255 / 16)).astype(np.uint8))
    return np.asarray(small.resize((edge, edge), Image.Resampling.BICUBIC))


def write_zip(path: Path, files: dict[str, bytes]) -> None:
    """Writes a zip with fixed times, in the order of the names."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            archive.writestr(zipfile.ZipInfo(name, TIME), files[name])


def classify(images: np.ndarray, labels: np.ndarray) -> dict[str, bytes]:
    """Every digit in the folder of its class; each eighth for validation."""
    files = {}
    for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        split = "val" if index % VAL_EVERY == 0 else "train"
        files[f"digits/{split}/{label}/digit-{index:04}.png"] = png(enlarge(image, EDGE))
    return files


def broken(files: dict[str, bytes]) -> dict[str, bytes]:
    """A part of the classification set with seven damaged files: five cut off, one of text, one empty."""
    counts: dict[str, int] = {}
    part = {}
    for name in sorted(files):
        folder = name.rsplit("/", 1)[0]
        counts[folder] = counts.get(folder, 0) + 1
        if counts[folder] <= BROKEN_EVERY_CLASS:
            part[name] = files[name]
    train = [name for name in sorted(part) if "/train/" in name]
    damaged = train[:: len(train) // 7][:7]
    for name in damaged[:5]:
        part[name] = part[name][: len(part[name]) // 2]
    part[damaged[5]] = b"this was meant to be an image\n"
    part[damaged[6]] = b""
    return part


def place(rng: np.random.Generator, taken: list[tuple[int, int, int]]) -> tuple[int, int, int] | None:
    """A square (x, y, edge) on the canvas that overlaps none of `taken`; None after fifty tries."""
    for _ in range(50):
        edge = int(rng.integers(28, 49))
        x, y = (int(value) for value in rng.integers(0, CANVAS - edge, size=2))
        if all(x + edge <= a or a + e <= x or y + edge <= b or b + e <= y for a, b, e in taken):
            return x, y, edge
    return None


def detect(images: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> dict[str, bytes]:
    """Canvases with two to five digits each, and YOLO labels for them."""
    names = "".join(f"  {digit}: '{digit}'\n" for digit in range(10))
    files = {"digits/data.yaml": f"path: .\ntrain: images/train\nval: images/val\nnames:\n{names}".encode()}
    for number in range(DETECT_TRAIN + DETECT_VAL):
        split = "train" if number < DETECT_TRAIN else "val"
        canvas = rng.integers(0, 24, size=(CANVAS, CANVAS)).astype(np.uint8)
        taken: list[tuple[int, int, int]] = []
        rows = []
        for index in rng.integers(0, len(labels), size=int(rng.integers(2, 6))):
            spot = place(rng, taken)
            if spot is None:
                continue
            taken.append(spot)
            x, y, edge = spot
            window = canvas[y : y + edge, x : x + edge]
            np.maximum(window, enlarge(images[index], edge), out=window)
            centre = ((x + edge / 2) / CANVAS, (y + edge / 2) / CANVAS, edge / CANVAS, edge / CANVAS)
            rows.append(f"{labels[index]} " + " ".join(f"{value:.6f}" for value in centre))
        files[f"digits/images/{split}/canvas-{number:03}.png"] = png(canvas)
        files[f"digits/labels/{split}/canvas-{number:03}.txt"] = ("\n".join(rows) + "\n").encode()
    return files


def main() -> None:
    """Writes the sample sets and the ten held-back digits to the folder given."""
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    digits = load_digits()
    held = [int(np.flatnonzero(digits.target == digit)[-1]) for digit in range(HELD_BACK)]
    kept = np.setdiff1d(np.arange(len(digits.target)), held)
    files = classify(digits.images[kept], digits.target[kept])
    write_zip(target / "digits-classify.zip", files)
    write_zip(target / "digits-broken.zip", broken(files))
    rng = np.random.default_rng(20260101)
    write_zip(target / "digits-detect.zip", detect(digits.images[kept], digits.target[kept], rng))
    folder = target / "digits-heldback"
    folder.mkdir(exist_ok=True)
    truth = {}
    for index in held:
        name = f"heldback-{index:04}.png"
        (folder / name).write_bytes(png(enlarge(digits.images[index], EDGE)))
        truth[name] = str(digits.target[index])
    (folder / "truth.json").write_text(json.dumps(truth, indent=2) + "\n")


if __name__ == "__main__":
    main()
