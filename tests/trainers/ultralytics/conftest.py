"""What tests of the Ultralytics trainer share. Its modules need its own environment: they run there, and print JSON."""

import json
import os
import subprocess
import textwrap
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
TRAINER = ROOT / "trainers" / "ultralytics"
PYTHON = TRAINER / ".venv" / "bin" / "python"
PER_CLASS = {"train": 13, "val": 4}
PRELUDE = """
import json, math, os, sys
from pathlib import Path
from typing import Any
HERE = Path(sys.argv[1]); GIVEN = json.loads(sys.argv[2])
os.environ.update(YOLO_CONFIG_DIR=str(HERE), YOLO_OFFLINE="true", ULTRALYTICS_SAFE_LOAD="true", YOLO_VERBOSE="false")
def tell(value): print("TOLD " + json.dumps(value), flush=True)
def refusal(call):
    from trainers.harness import TrainingError
    try:
        call()
    except TrainingError as error:
        return [error.code, str(error), error.details]
    return None
def assignment(name, resume=None, resume_epoch=0, weights=None, **config):
    from trainers.harness import Assignment, Reporter
    folder = HERE / name
    (folder / "work").mkdir(parents=True)
    base = dict(model="yolo11n-cls", epochs=2, batch_size=32, accumulate=1, image_size=32, seed=0, device="cpu", lr0=None,
                workers=None, settings={"fliplr": 0, "erasing": 0, "auto_augment": None, "scale": 0.2})
    dataset = {"task": "classify", "classes": [str(number) for number in range(10)]}
    return Assignment(folder, {**base, **config}, dataset, HERE / "digits", weights, resume, resume_epoch, Reporter(folder))
def events(task, kind):
    lines = map(json.loads, (task.folder / "events.jsonl").read_text().splitlines())
    return [line for line in lines if line["kind"] == kind]
"""


def few_digits(target: Path) -> None:
    """The first images of each class of the digits sample, as an image folder."""
    taken: dict[tuple[str, str], int] = {}
    with zipfile.ZipFile(ROOT / "samples" / "digits-classify.zip") as archive:
        for name in sorted(name for name in archive.namelist() if name.endswith(".png")):
            split, label, file = name.split("/")[-3:]
            taken[split, label] = taken.get((split, label), 0) + 1
            if taken[split, label] <= PER_CLASS[split]:
                path = target / split / label / file
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(archive.read(name))


@pytest.fixture(scope="module")
def in_trainer(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., list[Any]]:
    """Runs code in the trainer's environment and gives what it told; the digits are in `HERE / "digits"` for it.

    Its libraries take seconds to load, so that what belongs together is told in one run.
    """
    if not PYTHON.exists():
        pytest.skip("the Ultralytics trainer's environment is not installed")

    def run(code: str, **given: Any) -> list[Any]:
        tmp_path = tmp_path_factory.mktemp("probe")
        few_digits(tmp_path / "digits")
        script = tmp_path / "probe.py"
        script.write_text(PRELUDE + textwrap.dedent(code))
        environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{TRAINER}", "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [str(PYTHON), str(script), str(tmp_path), json.dumps(given)],
            env=environment, capture_output=True, text=True, check=False, timeout=110,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:] + done.stdout[-1000:]
        return [json.loads(line[5:]) for line in done.stdout.splitlines() if line.startswith("TOLD ")]

    return run
