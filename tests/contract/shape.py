"""The one assertion on the shape of an error, wherever it comes from."""

import re
from typing import Any

import httpx

from app.core.error_messages import REGISTRY
from app.core.responses import PROBLEM
from app.schemas.errors import FieldProblem, OfferedFix, ProblemBody, PublicError

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
TRACE = re.compile(r'trace;desc="00-([0-9a-f]{32})-[0-9a-f]{16}-01"')
CODE = re.compile(r"[A-Z][A-Z0-9_]{2,62}")
POINTER = re.compile(r"#(/([^~/]|~[01])*)+")


def assert_public_error(error: dict[str, Any]) -> None:
    """`error` is the object that stands for an error in every outlet, with exactly its fields."""
    PublicError.model_validate(error, strict=True)
    assert set(error) == set(PublicError.model_fields)
    assert CODE.fullmatch(error["code"])
    row = REGISTRY[error["code"]]
    assert error["title"] == row.title
    assert set(error["params"]) <= set(row.params)
    assert TIME.fullmatch(error["timestamp"])
    assert re.fullmatch(r"[0-9a-f]{32}", error["trace_id"])
    assert error["doc_url"] == f"/errors/{error['code']}"
    for item in error["errors"]:
        assert set(item) == set(FieldProblem.model_fields)
        assert POINTER.fullmatch(item["pointer"])
    for fix in error["fixes"]:
        assert set(fix) == set(OfferedFix.model_fields)


def assert_canonical_error(response: httpx.Response, status: int, code: str | None = None) -> dict[str, Any]:
    """An error answer has the one shape: body, media type and headers agree with each other. Gives the error object."""
    assert response.status_code == status, response.text
    body = response.json()
    error: dict[str, Any] = body["error"]
    assert_public_error(error)
    assert code is None or error["code"] == code
    headers = response.headers
    if headers["content-type"] == PROBLEM:
        ProblemBody.model_validate(body, strict=True)
        assert set(body) - {"violated-policies"} == set(ProblemBody.model_fields) - {"violated_policies"}
        assert body.get("violated-policies", [None]) == [error["params"].get("policy")]
        assert body["status"] == status
        assert body["title"] == error["title"]
        assert body["detail"] == error["message"]
        assert body["type"] == f"{response.request.url.scheme}://{response.request.url.netloc.decode()}{error['doc_url']}"
        assert body["instance"] == f"/api/v1/errors/occurrences/{error['trace_id']}"
    else:
        assert headers["content-type"] == "application/json"
        assert set(body) == {"error"}
    assert headers["x-error-code"] == error["code"]
    assert headers["cache-control"] == "no-store"
    assert headers["content-language"] == "en"
    assert headers["link"] == f'<{error["doc_url"]}>; rel="describedby"; type="text/html"'
    traced = TRACE.search(headers["server-timing"])
    assert traced is not None
    assert traced[1] == error["trace_id"]
    waits = error["retry_after"]
    assert headers.get("retry-after") == (None if waits is None else str(waits))
    assert ("www-authenticate" in headers) == (status == 401)
    assert ("allow" in headers) == (status == 405)
    return error
