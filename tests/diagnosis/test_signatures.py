"""Every signature matches its examples and none of its near misses; the file holds nothing that does not work."""

import pytest

from app.core.error_messages import REGISTRY
from app.diagnosis.signatures import (
    ROLES,
    SCOPES,
    Signature,
    compiled,
    entity_of,
    entity_patterns,
    file_in,
    match_text,
    occurring,
    places,
    signatures,
)


def name(signature: Signature) -> str:
    return f"{signature.number}-{signature.code}"


@pytest.mark.parametrize("signature", signatures(), ids=name)
def test_a_signature_matches_its_examples_and_not_its_near_misses(signature: Signature) -> None:
    assert signature.hits
    assert signature.misses
    pattern = compiled(signature.pattern)
    assert [text for text in signature.hits if not pattern.search(text.encode())] == []
    assert [text for text in signature.misses if pattern.search(text.encode())] == []


@pytest.mark.parametrize("signature", signatures(), ids=name)
def test_a_signature_is_of_a_known_code_role_and_scope(signature: Signature) -> None:
    assert signature.code in REGISTRY or (signature.code, signature.role) == ("NONE", "advice")
    assert signature.role in ROLES
    assert signature.scope in SCOPES
    assert 0 <= signature.priority < 100
    if signature.frames is not None:
        assert signature.scope == "exception", "only an exception has frames"
        compiled(signature.frames)


@pytest.mark.parametrize("signature", [one for one in signatures() if one.frames is None], ids=name)
def test_the_automaton_finds_what_the_pattern_finds(signature: Signature) -> None:
    for text in signature.hits:
        assert signature in occurring(f"step 1\n{text}\nstep 2".encode())


def test_places_of_entities_are_patterns_of_known_codes() -> None:
    assert set(entity_patterns()) <= set(REGISTRY)
    for pattern in entity_patterns().values():
        assert compiled(pattern).groups >= 1


def test_the_first_line_of_an_exception_outweighs_the_lines_below() -> None:
    text = "RuntimeError: No labels found in /d/train.cache\n  /d/0.jpg: No module named 'pi_heif'"
    assert {sign.code for sign in match_text(text)} == {"DATASET_INVALID_FORMAT"}
    text = "MisconfigurationException: You requested gpu: [1]\n But your machine only has: [0]"
    assert "CUDA_UNAVAILABLE" in {sign.code for sign in match_text(text)}


def test_a_signature_with_frames_needs_them() -> None:
    text = "IndexError: list index out of range"
    frames = 'File "/venv/ultralytics/nn/tasks.py", line 7, in parse_model'
    assert match_text(text) == []
    assert [sign.code for sign in match_text(text, frames)] == ["INVALID_MODEL"]


@pytest.mark.parametrize(
    ("code", "text", "entity"),
    [
        ("CUDA_OOM", "CUDA out of memory. Tried to allocate 2.00 GiB (GPU 3; 8.00 GiB total capacity", "GPU 3"),
        ("CUDA_OOM", "CUDA out of memory. Tried to allocate 20.00 MiB. GPU 1 has a total capacity of", "GPU 1"),
        ("GPU_HARDWARE_FAULT", "NVRM: Xid (PCI:0000:b1:00): 48, pid=1", "0000:b1:00"),
        ("DATASET_NOT_FOUND", "missing path '/data/a/images/val'", "/data/a/images/val"),
        ("DEPENDENCY_ERROR", "No module named 'cv2'", "cv2"),
        ("CHECKPOINT_INVALID", "size mismatch for head.fc.weight: copying a param", "head.fc.weight"),
        ("DATASET_INVALID_FORMAT", "No labels found in /d/labels/train.cache. See", "/d/labels/train.cache"),
        ("TRAINING_CODE_ERROR", "KeyError: 'a.png'", None),
    ],
)
def test_a_text_names_what_it_is_about(code: str, text: str, entity: str | None) -> None:
    assert entity_of(code, None, text) == entity


def test_the_source_line_names_the_file_where_the_exception_does_not() -> None:
    frames = "  File \"train.py\", line 8, in <module>\n    torch.save(state, 'out/last.pt')\n"
    assert file_in("DISK_FULL", "RuntimeError: unexpected pos 7 vs 6", frames) == "out/last.pt"
    assert file_in("DISK_FULL", "OSError: cannot write 'b.pt'", frames) == "b.pt"
    assert file_in("CUDA_OOM", "RuntimeError: x", frames) is None


def test_a_log_that_repeats_itself_is_looked_at_a_bounded_number_of_times() -> None:
    text = b"CUDA error: misaligned address\n" * 100_000
    assert len(list(places(next(sign for sign in occurring(text) if sign.code == "CUDA_ERROR"), text))) == 60
