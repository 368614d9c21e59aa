"""A big data set from a client into S3, past the backend, and checked there: how fast, and with how much memory.

`python benchmarks/bench_big_data.py [GIGABYTES]` starts SeaweedFS and a backend, makes a data set of unique images
of that size (default 0.3), puts it in with `vtp datasets add`, and prints times and the backend's peak of memory. About four
times the size has to be free on the disk.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import httpx
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.core.servers import ObjectStore, until
from tests.running import RunningPlatform

EDGE = 640
LIMIT_MIB = 400
"""Of resident memory, whatever the size: libraries, and what is under way."""


def images(file: Path, gigabytes: float) -> int:
    """Writes a data set of noise, each image another one; how many."""
    count, size, noise = 0, 0, bytearray(os.urandom(EDGE * EDGE * 3))
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        while size < gigabytes * 1024**3:
            noise[:8] = count.to_bytes(8, "big")
            picture = Image.frombytes("RGB", (EDGE, EDGE), bytes(noise))
            with tempfile.SpooledTemporaryFile(max_size=8 << 20) as buffer:
                picture.save(buffer, "PNG", compress_level=0)
                buffer.seek(0)
                content = buffer.read()
            archive.writestr(f"{'val' if count % 10 == 0 else 'train'}/{'a' if count % 2 else 'b'}/{count}.png", content)
            count, size = count + 1, size + len(content)
    return count


def peak_mib(pid: int) -> float:
    """The most resident memory that a process has had."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) / 1024


def main(gigabytes: float) -> int:
    """Runs it; 1 where the memory was not flat."""
    folder = Path(tempfile.mkdtemp(prefix="vtp-big-"))
    store = ObjectStore()
    quota = {"VTP_DATASET_QUOTA_BYTES": str(int(gigabytes * 2 * 1024**3) + 1024**3)}
    try:
        store.wait_for_bucket()
        backend = RunningPlatform(folder / "home", STORAGE_URL=f"s3://{store.bucket}", **store.environment(), **quota)
        backend.start("backend")
        until(lambda: httpx.get(f"{backend.url}/api/v1/system/health/ready").is_success, "the backend", 60)
        pid = backend.processes["backend"].pid
        before = peak_mib(pid)
        began = time.monotonic()
        count = images(folder / "big.zip", gigabytes)
        size = (folder / "big.zip").stat().st_size / 1024**3
        print(f"made {count} images, {size:.2f} GB, in {time.monotonic() - began:.0f} s", flush=True)
        environment = {**backend.environment, "VTP_URL": backend.url, "VTP_HOME": str(folder / "cli")}
        began = time.monotonic()
        command = [sys.executable, "-m", "app.cli", "datasets", "add", str(folder / "big.zip")]
        done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
        seconds = time.monotonic() - began
        grown = peak_mib(pid) - before
        print(done.stderr.strip().splitlines()[-1])
        print(f"{size:.2f} GB sent, put together and checked in {seconds:.0f} s ({size * 1024 / seconds:.0f} MiB/s)")
        print(f"backend: {before:.0f} MiB before, at most {peak_mib(pid):.0f} MiB (+{grown:.0f}); limit {LIMIT_MIB}")
        backend.kill("backend")
        return int(done.returncode != 0 or before + grown > LIMIT_MIB)
    finally:
        store.close()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 0.3))
