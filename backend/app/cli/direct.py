"""Big files straight into the object store, past the backend, in pieces: what was cut off goes on where it stopped."""

import hashlib
import time
from pathlib import Path
from typing import Any

from app.cli.client import Api, not_running
from app.cli.output import Output

PIECE = 64 << 20
WORTH_IT = 64 << 20
TRIES, WAIT_SECONDS, PATIENCE_SECONDS = 4, 2.0, 3600.0


def sent_direct(api: Api, output: Output, file: Path, name: str) -> Any:
    """The data set that a file became; None where the platform keeps its files in a folder, or the file is small.

    Raises:
        ApiFailure: the backend refused.
        PlatformError: SERVICE_UNAVAILABLE where it, or the store, does not answer.
        OSError: the file cannot be read.
    """
    known = file.stat()
    if known.st_size < WORTH_IT:
        return None
    wanted = {"name": name, "bytes": known.st_size, "modified": int(known.st_mtime * 1000)}
    begun = api.call("GET", "/uploads")["items"]
    found = next((one for one in begun if {key: one[key] for key in wanted} == wanted), None)
    upload = found or api.call("POST", "/uploads", json=wanted)
    path = f"/uploads/{upload['upload_id']}"
    if api.call("GET", f"{path}/pieces/{upload['offset']}")["url"] is None and upload["offset"] < known.st_size:
        if found is None:
            api.call("DELETE", path)
        return None
    if upload["offset"]:
        output.note(f"going on at {upload['offset'] >> 20} of {known.st_size >> 20} MiB")
    sha256 = _put_pieces(api, output, file, path, upload["offset"])
    done = api.call("POST", f"{path}/complete", params={"sha256": sha256}, timeout=PATIENCE_SECONDS)
    return api.call("GET", f"/datasets/{done['dataset_id']}")


def _put_pieces(api: Api, output: Output, file: Path, path: str, offset: int) -> str:
    """Puts everything from `offset` on; the SHA-256 of the whole file."""
    digest, at, size = hashlib.sha256(), 0, file.stat().st_size
    with file.open("rb") as source:
        while piece := source.read(min(PIECE, offset - at) if at < offset else PIECE):
            digest.update(piece)
            if at >= offset:
                _put(api, f"{path}/pieces/{at}", piece)
                output.note(f"{(at + len(piece)) >> 20} of {size >> 20} MiB")
            at += len(piece)
    return digest.hexdigest()


def _put(api: Api, path: str, piece: bytes) -> None:
    import httpx2

    for tries in range(1, TRIES + 1):
        url = api.call("GET", path)["url"]
        try:
            httpx2.put(url, content=piece, timeout=httpx2.Timeout(300, connect=10)).raise_for_status()
        except httpx2.HTTPError as error:
            if tries == TRIES:
                raise not_running(error) from error
            time.sleep(WAIT_SECONDS * tries)
        else:
            return
