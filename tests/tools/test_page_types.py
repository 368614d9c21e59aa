"""The page's types say what the interface's description says."""

import pytest

from tools import reference
from tools.page_types import of, page_types


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({"type": "integer"}, "number"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "string | null"),
        ({"type": "array", "items": {"enum": ["a", "b"]}}, '("a" | "b")[]'),
        ({"type": "object", "additionalProperties": {"type": "number"}}, "Record<string, number>"),
        ({"type": "object"}, "Record<string, unknown>"),
        ({"$ref": "#/components/schemas/JobView"}, "JobView"),
        ({"const": "ready"}, '"ready"'),
        ({}, "unknown"),
    ],
)
def test_a_schema_becomes_the_type_that_it_describes(schema: dict[str, object], told: str) -> None:
    assert of(schema) == told


def test_what_may_be_missing_is_optional_and_what_has_a_value_of_its_own_is_not() -> None:
    fields = {"a": {"type": "string"}, "b": {"type": "string"}, "c": {"type": "integer", "default": 3}}
    assert of({"type": "object", "properties": fields, "required": ["a"]}) == (
        "{\n  a: string;\n  b?: string;\n  c: number;\n}"
    )


def test_every_model_of_the_interface_is_there_once_with_the_events() -> None:
    made = page_types(reference.described())
    for name in ("JobView", "PublicError", "JobEvent", "TrainingConfig"):
        assert made.count(f"export interface {name} ") + made.count(f"export type {name} =") == 1
    assert "export type Job = JobView;" in made
