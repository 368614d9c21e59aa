"""Pictures of a training: confusion matrix, sample predictions, the batch that failed."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

COLUMNS, TILE, TEXT = 8, 72, 14
MOST = 32
"""Images in one picture."""
RIGHT, WRONG = (17, 94, 40), (176, 26, 26)


def plot_confusion(matrix: np.ndarray, names: list[str], path: Path, cell: int = 32) -> None:
    """Draws a confusion matrix: a row for each true class, a column for each predicted one, darker for a larger share."""
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    longest = max(len(name) for name in names)
    margin = min(160, 12 + 7 * longest)
    edge = margin + cell * len(names)
    picture = Image.new("L", (max(edge, 220), edge + 20), 255)
    draw = ImageDraw.Draw(picture)
    for row, name in enumerate(names):
        y = margin + row * cell
        draw.text((margin - 6, y + cell / 2), name[:20], fill=0, anchor="rm")
        draw.text((y + cell / 2, margin - 6), name[: max(1, cell // 6)], fill=0, anchor="mb")
        for column in range(len(names)):
            x, dark = margin + column * cell, float(share[row, column])
            draw.rectangle((x, y, x + cell - 1, y + cell - 1), fill=int(255 - 215 * dark), outline=230)
            if matrix[row, column]:
                draw.text((x + cell / 2, y + cell / 2), str(matrix[row, column]), fill=255 if dark > 0.5 else 0, anchor="mm")
    draw.text((6, edge + 4), "rows: true, columns: predicted", fill=90)
    picture.save(path)


def plot_samples(images: np.ndarray, captions: Sequence[tuple[str, bool]], edge: int, path: Path) -> None:
    """Draws images (rows of edge * edge grey values from 0 to 1) in a grid, each over its caption; what is wrong is red."""
    count = min(len(images), MOST)
    rows = max(1, -(-count // COLUMNS))
    picture = Image.new("RGB", (COLUMNS * TILE, rows * (TILE + TEXT)), (255, 255, 255))
    draw = ImageDraw.Draw(picture)
    for index in range(count):
        x, y = index % COLUMNS * TILE, index // COLUMNS * (TILE + TEXT)
        caption, right = captions[index]
        grey = np.clip(np.nan_to_num(images[index].reshape(edge, edge)) * 255, 0, 255).astype(np.uint8)
        tile = Image.fromarray(grey).resize((TILE - 4, TILE - 4), Image.Resampling.NEAREST)
        picture.paste(tile, (x + 2, y + 2))
        draw.text((x + TILE / 2, y + TILE), caption[:12], fill=RIGHT if right else WRONG, anchor="mt")
    picture.save(path)
