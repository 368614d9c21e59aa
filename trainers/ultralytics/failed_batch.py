"""A picture of the batch that a training failed with."""

import sys
from pathlib import Path
from typing import Any

COLUMNS, TILE, MOST = 8, 96, 32


def draw(images: Any, path: Path) -> bool:
    """Draws up to 32 images of a batch (n, 3, height, width; bytes, or numbers that are normalised) in a grid.

    Says whether that went well: a training that failed for want of memory may have none for this either.
    """
    try:
        _draw(images, path)
    except (RuntimeError, ValueError, OSError, MemoryError) as error:
        print(f"the batch that failed could not be drawn: {error}", file=sys.stderr)  # noqa: T201 - the log is stderr
        return False
    return True


def _draw(images: Any, path: Path) -> None:
    from PIL import Image

    count = min(len(images), MOST)
    rows = -(-count // COLUMNS)
    picture = Image.new("RGB", (min(count, COLUMNS) * TILE, rows * TILE), "white")
    for index in range(count):
        image = images[index].float()
        low, high = image.min(), image.max()
        scaled = (image - low) / (high - low).clamp(min=1e-6) * 255
        tile = Image.fromarray(scaled.byte().permute(1, 2, 0).numpy())
        tile.thumbnail((TILE - 4, TILE - 4))
        picture.paste(tile, (index % COLUMNS * TILE + 2, index // COLUMNS * TILE + 2))
    picture.save(path)


def names(batch: dict[str, Any], dataset: Path) -> list[str] | None:
    """Files of a batch, relative to the data set; None where the loader does not tell them."""
    files = batch.get("im_file")
    if not files:
        return None
    return [
        str(Path(file).relative_to(dataset)) if Path(file).is_relative_to(dataset) else Path(file).name for file in files
    ]
