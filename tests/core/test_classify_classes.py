"""The tables of exception classes and words name verdicts that exist, and classes that can be looked up."""

import builtins

from app.core import classify_classes as classes
from app.core.classify_rules import VERDICTS


def test_every_class_and_every_word_names_a_verdict() -> None:
    assert set(classes.BY_CLASS.values()) <= set(VERDICTS)
    assert {name for rows in classes.BY_TEXT.values() for _, name in rows} <= set(VERDICTS)


def test_a_class_is_written_as_package_and_name() -> None:
    for name in (*classes.BY_CLASS, *classes.BY_TEXT):
        package, _, kind = name.partition(".")
        assert package
        assert kind.isidentifier(), name
        if package == "builtins":
            assert issubclass(getattr(builtins, kind), BaseException)


def test_words_are_in_lower_case_as_the_text_they_are_looked_for_in() -> None:
    for rows in classes.BY_TEXT.values():
        assert all(words == words.lower() for words, _ in rows)
