"""The exceptions that led to an end, the root first."""

from app.services.causes import causes

FRAME = {"file": "/opt/venv/lib/torch/nn/modules/conv.py", "line": 7, "function": "forward", "code": "return f(x)"}


def test_the_root_comes_first_with_the_place_that_raised_it() -> None:
    chain = [{"type": "OutOfMemoryError", "message": "no room", "frames": [FRAME]}, {"type": "TrainingError", "message": ""}]
    assert causes({"exceptions": chain}) == [
        {
            "text": "OutOfMemoryError: no room",
            "at": "nn/modules/conv.py:7 in forward",
            "code_line": "return f(x)",
            "rank": None,
        },
        {"text": "TrainingError", "at": None, "code_line": None, "rank": None},
    ]


def test_of_several_processes_the_first_to_fail_comes_first() -> None:
    ranks = [
        {"rank": 0, "at": "2026-11-23T12:00:09Z", "exceptions": [{"type": "DistBackendError", "message": "lost"}]},
        {"rank": 1, "at": "2026-11-23T12:00:01Z", "exceptions": [{"type": "ValueError", "message": "bad label"}]},
    ]
    assert [(cause["text"], cause["rank"]) for cause in causes({"ranks": ranks})] == [
        ("ValueError: bad label", 1),
        ("DistBackendError: lost", 0),
    ]


def test_nonsense_is_left_out() -> None:
    assert causes({"exceptions": "none", "ranks": [3, {"exceptions": [None]}]}) == []
