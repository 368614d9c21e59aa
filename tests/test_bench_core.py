"""The benchmark of the error core runs; its figures are looked at elsewhere."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_benchmark_prints_every_librarys_row_and_judges_no_figure() -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "bench_core.py"), "--tiny"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr
    rows = {line[:26].strip(): line[26:].split() for line in run.stdout.splitlines() if "×" in line or "–" in line}
    assert "vtp" in rows
    ours = rows["vtp"]
    assert len(ours) == 11
    assert "–" not in ours
    absent = next((line for line in run.stdout.splitlines() if line.startswith("Not installed: ")), "")
    for name in (
        "tenacity",
        "stamina",
        "pybreaker",
        "circuitbreaker",
        "purgatory",
        "aiobreaker",
        "resilix",
        "resilient-circuit",
    ):
        assert name in rows or name in absent
    assert "by type" in run.stdout
