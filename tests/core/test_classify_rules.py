"""The tables of numbers and codes name verdicts that exist, and verdicts name codes of the registry."""

import pytest

from app.core import classify_rules as rules
from app.core.error_messages import REGISTRY

TABLES = {name: table for name, table in vars(rules).items() if name.startswith("BY_") and name != "BY_SERVICE"}


@pytest.mark.parametrize("name", sorted(TABLES))
def test_every_rule_names_a_verdict(name: str) -> None:
    assert TABLES[name]
    assert set(TABLES[name].values()) <= set(rules.VERDICTS)


def test_every_verdict_has_a_code_of_the_registry_and_an_outcome_for_breakers() -> None:
    assert {code for code, _, _ in rules.VERDICTS.values()} <= set(REGISTRY)
    assert {counts for _, _, counts in rules.VERDICTS.values()} == {"failure", "success", "neutral"}


def test_what_cannot_be_tried_again_by_itself_is_never_a_refusal_to_try() -> None:
    for name, (code, retryable, counts) in rules.VERDICTS.items():
        assert not (retryable and counts == "success") or name == "database_contended", (name, code)


def test_the_codes_of_one_services_library_are_of_the_registry() -> None:
    for codes in rules.BY_SERVICE.values():
        assert {*codes, *codes.values()} <= set(REGISTRY)
    assert set(REGISTRY) >= rules.TELLING


def test_every_status_from_400_on_that_is_listed_is_one() -> None:
    assert all(400 <= status < 600 for status in rules.BY_STATUS)
    assert "" in rules.BY_SQLSTATE
