"""`vtp explain` and `vtp diagnose` serve anybody with a failed log: no platform, nothing heavy to load."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.cli.explain import told, verdict
from app.diagnosis.diagnose import diagnose
from app.diagnosis.evidence import Evidence

HEAVY = ("fastapi", "starlette", "sqlalchemy", "temporalio", "obstore")
LOG = "step 1 loss 0.3\nRuntimeError: CUDA out of memory. Tried to allocate 1.15 GiB (GPU 0; 10.76 GiB total capacity)\n"
RUN = "import sys; from app.cli import main\ntry:\n    main()\nfinally:\n    print(*sys.modules, file=sys.stderr)"


def vtp(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", RUN, *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=60)


def test_a_log_is_explained_with_the_line_that_decided_and_nothing_heavy_loaded(tmp_path: Path) -> None:
    path = tmp_path / "train.log"
    path.write_text(LOG)
    done = vtp("explain", str(path))
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0].startswith("CUDA_OOM: ")
    assert "why:  line 2: RuntimeError: CUDA out of memory." in done.stdout
    assert "about: GPU 0" in lines
    assert any(line.startswith("do:   ") for line in lines)
    assert "read: vtp explain CUDA_OOM" in lines
    assert [name for name in HEAVY if name in done.stderr.split()] == []


def test_a_log_on_standard_input_is_explained_as_json() -> None:
    done = vtp("--json", "explain", stdin=LOG)
    body = json.loads(done.stdout)
    assert (body["code"], body["line"], body["entity"]) == ("CUDA_OOM", 2, "GPU 0")


def test_an_exit_code_that_is_known_counts() -> None:
    assert vtp("explain", "--exit-code", "137", stdin="step 1\n").stdout.startswith("TRAINER_KILLED: ")
    assert vtp("explain", stdin="step 1\n").stdout.startswith("nothing failed")


def test_a_log_that_does_not_say_that_it_failed_is_also_read_as_if_it_had() -> None:
    said = "cannot keep the weights: 41 MB remain under /data, file would be 1.3 GB\n"
    lines = vtp("explain", stdin=f"epoch 1 done\n{said}").stdout.splitlines()
    assert lines[:3] == [
        "nothing failed: no line of this log says that the training failed",
        "If it failed all the same, its last words mean:",
        "probably DISK_FULL: Disk full",
    ]
    assert "If it failed" not in vtp("explain", stdin="epoch 1 done\nsaved best.pt\n").stdout


def test_a_code_is_explained_by_its_page() -> None:
    done = vtp("explain", "cuda_oom")
    assert done.stdout.startswith("# CUDA_OOM: ")


def test_what_is_neither_code_nor_file_is_wrong_usage() -> None:
    done = vtp("explain", "no-such-thing.log")
    assert done.returncode == 2
    assert "`no-such-thing.log` is neither a code nor a file" in done.stderr


def test_a_doubtful_verdict_says_so() -> None:
    found = diagnose(Evidence.from_dict({"log": "RuntimeError: something odd\n", "exit_code": 1}))
    assert next(told(found)) == "probably TRAINING_CODE_ERROR: Error in the training code"


def test_each_line_of_evidence_gets_one_line_in_order_also_broken_ones() -> None:
    lines = [
        '{"id": "a", "log": "MemoryError", "exit_code": 1}',
        "{broken",
        '{"id": "b", ',
        "[1]",
        '{"id": "c", "exit_code": 0}',
    ]
    done = vtp("diagnose", "-", stdin="\n".join(lines) + "\n\n")
    assert done.returncode == 0
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(answer["id"], answer["code"]) for answer in answers] == [
        ("a", "HOST_OOM"),
        (None, "UNKNOWN_FAILURE"),
        ("b", "UNKNOWN_FAILURE"),
        (None, "UNKNOWN_FAILURE"),
        ("c", "NONE"),
    ]
    assert answers[1]["evidence"][0].startswith("line 2 is not JSON")


@pytest.mark.parametrize("line", ["[" * 100_000, '{"log": "\\ud800", "exit_code": 1}', "9" * 5000, "{}", "null"])
def test_no_line_is_fatal(line: str) -> None:
    found: dict[str, Any] = verdict(line, 1)
    assert found["code"] == "UNKNOWN_FAILURE"
    json.dumps(found).encode()
