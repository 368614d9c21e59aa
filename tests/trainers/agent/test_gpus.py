"""What the driver's tool says of GPUs."""

from pathlib import Path

import pytest

from trainers.agent.gpus import MIB, gpus, parse


def test_each_line_is_a_gpu_and_other_lines_are_left_out() -> None:
    text = "NVIDIA GeForce RTX 4090, 24564\nNVIDIA A100-SXM4-40GB, MIG, 40960\nno devices were found\nTesla T4, [N/A]\n"
    assert parse(text) == [
        {"name": "NVIDIA GeForce RTX 4090", "memory_bytes": 24564 * MIB},
        {"name": "NVIDIA A100-SXM4-40GB, MIG", "memory_bytes": 40960 * MIB},
    ]


@pytest.mark.parametrize(
    ("script", "names"),
    [("echo 'Tesla T4, 15360'", ["Tesla T4"]), ("echo failed >&2; exit 9", []), (None, [])],
    ids=["a GPU", "a broken driver", "no tool"],
)
def test_the_tool_is_asked_where_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None, names: list[str]
) -> None:
    if script is not None:
        tool = tmp_path / "nvidia-smi"
        tool.write_text(f"#!/bin/sh\n{script}\n")
        tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    gpus.cache_clear()
    try:
        assert [gpu["name"] for gpu in gpus()] == names
    finally:
        gpus.cache_clear()
