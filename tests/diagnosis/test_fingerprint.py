"""A fingerprint names a kind of failure: the same for the same, whatever ids, numbers and paths it happened with."""

import pytest

from app.diagnosis.fingerprint import FINGERPRINT_VERSION, fingerprint

FRAMES = 'File "/jobs/71/train.py", line 9, in step\n  x\nFile "/venv/lib/python3.11/site-packages/torch/a.py", line 1, in f'


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0", "CUDA out of memory. Tried to allocate 917.5 MiB. GPU 3"),
        ("FileNotFoundError: '/a/b.png'", "FileNotFoundError: '/c/d e.png'"),
        ("[rank3]: ValueError: bad id 7f3a9c0012", "ValueError: bad id 99"),
        ("2026-03-01 10:00:00,123 ERROR: x at 0x7f11", "2026-04-02T11:12:13Z ERROR: x at 0x8e00"),
        ("size mismatch for head.fc.weight: torch.Size([5, 7])", "size mismatch for head.fc.weight: torch.Size([9, 11])"),
    ],
)
def test_what_differs_from_run_to_run_does_not_count(one: str, other: str) -> None:
    assert fingerprint("X", (one,)) == fingerprint("X", (other,))


def test_code_words_and_own_frames_count() -> None:
    base = fingerprint("CUDA_OOM", ("CUDA out of memory",), FRAMES)
    assert base.startswith(f"v{FINGERPRINT_VERSION}:")
    assert base != fingerprint("HOST_OOM", ("CUDA out of memory",), FRAMES)
    assert base != fingerprint("CUDA_OOM", ("misaligned address",), FRAMES)
    assert base != fingerprint("CUDA_OOM", ("CUDA out of memory",), FRAMES.replace("in step", "in evaluate"))


def test_library_frames_and_line_numbers_do_not_count() -> None:
    base = fingerprint("X", ("a",), FRAMES)
    assert base == fingerprint("X", ("a",), FRAMES.replace("torch/a.py", "torch/b.py").replace("line 9", "line 10"))
    assert base == fingerprint("X", ("a",), FRAMES.replace("/jobs/71/", "/jobs/72/"))
