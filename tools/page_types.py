"""The page's types, made from the interface's description, so that the page cannot expect anything else than is sent."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import TypeAdapter

from app.schemas.events import JobEvent

Schema = Mapping[str, Any]
REF = "#/components/schemas/{model}"
HEAD = "// Made by `make generate` from the interface's description (backend/app/schemas). Do not edit.\n"
NAMES = {
    "Agent": "AgentView",
    "Artifact": "ArtifactView",
    "Attempt": "AttemptView",
    "Dataset": "DatasetView",
    "EpochFigures": "EpochView",
    "ErrorResponse": "ErrorBody",
    "Fix": "OfferedFix",
    "Job": "JobView",
    "Progress": "JobProgress",
    "Rule": "RuleView",
    "SystemStatus": "Status",
    "Upload": "UploadView",
    "Validation": "ValidationAnswer",
    "Weights": "WeightsView",
}
"""Short names that the page uses; where the interface has such a name too, it is for agents."""
PARTS = {
    "ErrorKind": 'PublicError["type"]',
    "Severity": 'PublicError["severity"]',
    "JobStatus": 'JobView["status"]',
    "Figure": 'NonNullable<EpochView["lr"]>',
}


def of(schema: Schema) -> str:
    """A schema as a TypeScript type."""
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[1]
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return " | ".join(json.dumps(value) for value in schema["enum"])
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " | ".join(dict.fromkeys(of(one) for one in schema[several]))
    kind = schema.get("type")
    if kind == "array":
        return f"({of(schema['items'])})[]" if "items" in schema else "unknown[]"
    if kind == "object":
        return _object(schema)
    return {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}.get(
        str(kind), "unknown"
    )


def _object(schema: Schema) -> str:
    if "properties" in schema:
        return "{\n" + "".join(_fields(schema)) + "}"
    values = schema.get("additionalProperties")
    return f"Record<string, {of(values)}>" if isinstance(values, dict) and values else "Record<string, unknown>"


def _fields(schema: Schema) -> Iterator[str]:
    """The fields; one that has a value of its own is always there, one that is null by default may be left out."""
    required = schema.get("required", ())
    for name, field in schema["properties"].items():
        there = name in required or field.get("default") is not None
        if field.get("description"):
            yield f"  /** {field['description']} */\n"
        yield f"  {name if name.isidentifier() else json.dumps(name)}{'' if there else '?'}: {of(field)};\n"


def _declaration(name: str, schema: Schema) -> str:
    told = f"/** {' '.join(schema['description'].split())} */\n" if schema.get("description") else ""
    if schema.get("type") == "object" and "properties" in schema:
        return f"{told}export interface {name} {of(schema)}\n"
    return f"{told}export type {name} = {of(schema)};\n"


def page_types(described: Schema) -> str:
    """All of the interface's shapes and those of a job's events, as a TypeScript module."""
    schemas = dict(described["components"]["schemas"])
    event = TypeAdapter(JobEvent).json_schema(ref_template=REF)
    schemas |= event.pop("$defs")
    schemas["JobEvent"] = event
    names = {**NAMES, **PARTS}
    parts = [HEAD, *(_declaration(name, schemas[name]) for name in sorted(schemas.keys() - names.keys()))]
    parts.append("".join(f"export type {name} = {names[name]};\n" for name in sorted(names)))
    return "\n".join(parts)
