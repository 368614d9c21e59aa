"""Exceptions of others whose own properties and methods raise."""

from app.core.foreign import attribute, said, told_by


class Hostile(Exception):
    @property
    def response(self) -> None:
        raise RuntimeError("no")

    def __str__(self) -> str:
        raise RuntimeError("no")


def test_an_attribute_that_is_missing_or_raises_is_none() -> None:
    assert attribute(Hostile(), "response") is None
    assert attribute(Hostile(), "nothing") is None
    assert attribute(OSError(5, "x"), "errno") == 5


def test_a_text_is_told_of_any_exception() -> None:
    assert said(ValueError("v")) == "v"
    assert said(Hostile()) == "Hostile"


def test_a_method_is_asked_where_there_is_one_and_it_answers() -> None:
    assert told_by(OSError(5, "x"), "__str__") == "[Errno 5] x"
    assert told_by(OSError(5, "x"), "errno") is None
    assert told_by(Hostile(), "nothing") is None
    assert told_by(Hostile(), "__str__") is None
