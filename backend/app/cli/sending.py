"""Uploads, with a bar in a terminal."""

import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from app.cli.client import Api, read_file
from app.cli.output import Output

WORTH_A_BAR = 8 << 20


@contextmanager
def packed(path: Path, output: Output) -> Iterator[Path]:
    """The file to send: `path` itself, or a zip of it where it is a folder, gone afterwards.

    Raises:
        OSError: a file of the folder cannot be read, or there is no room for the zip.
    """
    if not path.is_dir():
        yield path
        return
    files = sorted(file for file in path.rglob("*") if file.is_file())
    output.note(f"packing {len(files)} files")
    with tempfile.TemporaryDirectory(prefix="vtp-") as folder:
        target = Path(folder) / "folder.zip"
        # Images do not compress; times before 1980 are none a zip can hold.
        with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED, strict_timestamps=False) as archive:
            for file in files:
                archive.write(file, file.relative_to(path))
        yield target


def sent(api: Api, output: Output, path: str, file: Path, params: dict[str, str], media_type: str) -> Any:
    """The answer to a file that was sent as the body of a POST.

    Raises:
        ApiFailure: the backend refused.
        PlatformError: SERVICE_UNAVAILABLE where it does not answer.
        OSError: the file cannot be read.
    """
    size = file.stat().st_size
    with file.open("rb"):
        """A file that cannot be read is told as what it is, before anything is sent."""
    if size < WORTH_A_BAR or not output.fancy:
        return api.upload(path, read_file(file), size, params, media_type)
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("uploading"), BarColumn(bar_width=30), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("", total=size)

        def counted() -> Iterator[bytes]:
            for chunk in read_file(file):
                yield chunk
                progress.advance(bar, len(chunk))

        return api.upload(path, counted(), size, params, media_type)
