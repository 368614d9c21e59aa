"""What the framework refuses, told in the platform's words: pointers, near misses, no echo of what was sent."""

from typing import Any

import pytest
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from app.core.framework_errors import STATUS_CODES, BodyTooLarge, field_errors, from_http, from_validation, pointer
from app.schemas.training import TrainingConfig


def connection(**scope: Any) -> HTTPConnection:
    return HTTPConnection({"type": "http", "method": "PUT", "path": "/api/v1/x", "headers": [], **scope})


@pytest.mark.parametrize(
    ("place", "wanted"),
    [
        (("body", "epochs"), "#/epochs"),
        (("query", "limit"), "#/limit"),
        (("path", "number"), "#/number"),
        (("header", "prefer"), "#/prefer"),
        (("cookie", "vtp_session"), "#/vtp_session"),
        (("body",), "#/"),
        ((), "#/"),
        (("body", "settings", 3, "a/b~c"), "#/settings/3/a~1b~0c"),
        (("body", "function-after[check(), TrainingUpdate]", "seq"), "#/seq"),
        (("items", "body"), "#/items/body"),
    ],
)
def test_places_become_json_pointers(place: tuple[Any, ...], wanted: str) -> None:
    assert pointer(place) == wanted


def problem(kind: str, *place: Any, msg: str = "Input should be a valid integer") -> dict[str, Any]:
    return {"type": kind, "loc": place, "msg": msg, "input": "hunter2"}


def test_unknown_fields_are_told_the_nearest_known_one() -> None:
    found = field_errors(
        [problem("extra_forbidden", "body", "epoch"), problem("extra_forbidden", "body", "zzz")], ["epochs", "model"]
    )
    assert [error.message for error in found] == ["unknown field; did you mean `epochs`?", "unknown field"]


def test_messages_are_sentence_fragments_without_the_value_that_was_sent() -> None:
    found = field_errors(
        [
            problem("int_parsing", "body", "epochs"),
            problem("value_error", "body", msg="Value error, attempt and seq come together"),
            problem("json_invalid", "body", 17, msg="JSON decode error"),
        ],
        [],
    )
    assert [(error.pointer, error.code, error.message) for error in found] == [
        ("#/epochs", "int_parsing", "input should be a valid integer"),
        ("#/", "value_error", "attempt and seq come together"),
        ("#/", "json_invalid", "the body is not valid JSON (at character 17)"),
    ]


def test_one_wrong_field_stands_in_the_message_several_are_counted() -> None:
    one = from_validation(connection(), RequestValidationError([problem("int_parsing", "query", "limit")]))
    assert one.user_message == "The request has invalid fields: limit input should be a valid integer."
    assert one.params == {"field": "limit", "count": 1, "first": ": limit input should be a valid integer"}
    body = from_validation(connection(), RequestValidationError([problem("missing", "body", msg="Field required")]))
    assert body.params["field"] == "body"
    two = from_validation(
        connection(), RequestValidationError([problem("missing", "body", "a"), problem("missing", "body", "b")])
    )
    assert two.user_message == "The request has invalid fields (2)."
    assert [field.pointer for field in two.errors] == ["#/a", "#/b"]
    assert "hunter2" not in str(two.to_dict())


def test_known_fields_come_from_the_routes_own_model() -> None:
    info = type("Info", (), {"annotation": TrainingConfig})()
    route = type("Route", (), {"body_field": type("Field", (), {"field_info": info})()})()
    error = from_validation(connection(route=route), RequestValidationError([problem("extra_forbidden", "body", "modle")]))
    assert error.errors[0].message == "unknown field; did you mean `model`?"


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "VALIDATION_FAILED"), (401, "INVALID_TOKEN"), (403, "INSUFFICIENT_PERMISSIONS"), (404, "NOT_FOUND"),
        (405, "NOT_FOUND"), (409, "CONFLICT"), (413, "PAYLOAD_TOO_LARGE"), (415, "VALIDATION_FAILED"),
        (418, "VALIDATION_FAILED"), (429, "RATE_LIMITED"), (500, "SYSTEM_ERROR"), (501, "SYSTEM_ERROR"),
        (503, "SERVICE_UNAVAILABLE"), (504, "OPERATION_TIMEOUT"),
    ],
)  # fmt: skip
def test_each_status_has_its_code(status: int, code: str) -> None:
    error = from_http(connection(), HTTPException(status, "the library's own words"))
    assert error.code == code
    assert "own words" not in str(error.to_dict())


def test_the_table_holds_only_codes_of_its_status_or_the_nearest() -> None:
    assert set(STATUS_CODES) == {401, 403, 404, 405, 409, 413, 429, 503, 504}


def test_what_does_not_exist_is_named() -> None:
    missing = from_http(connection(path="/api/v1/nothing"), HTTPException(404))
    assert missing.params == {"resource_type": "path", "resource_id": "/api/v1/nothing"}
    wrong = from_http(connection(), HTTPException(405, headers={"Allow": "GET"}))
    assert wrong.params == {"resource_type": "method", "resource_id": "PUT /api/v1/x", "allowed": "GET"}
    assert from_http(connection(), HTTPException(405)).params.get("allowed") is None
    assert "content type" in from_http(connection(), HTTPException(415)).user_message


def test_a_body_over_the_limit_names_the_limit() -> None:
    error = BodyTooLarge(2048)
    assert error.status_code == 413
    assert from_http(connection(), error).params == {"limit_bytes": 2048}
    assert from_http(connection(), HTTPException(413)).params == {}
