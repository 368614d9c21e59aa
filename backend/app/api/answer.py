"""Answers that went well: JSON made at once from plain data, with a model that documents it and costs nothing at run time.

That the data are as the model says is a contract test's to check (``tests/contract/test_answers.py``), not each request's.
"""

from collections.abc import Mapping
from typing import Any

import orjson
from fastapi.responses import JSONResponse
from pydantic import BaseModel

Responses = dict[int | str, dict[str, Any]]


class Answer(JSONResponse):
    """Plain data as JSON. Numbers that are not finite become null."""

    def __init__(self, content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(content, status, headers)

    def render(self, content: Any) -> bytes:
        """The body."""
        return orjson.dumps(content)


def shown(model: type[BaseModel], status: int = 200, more: Responses | None = None) -> Responses:
    """The documentation of an endpoint that answers `status` with what `model` describes."""
    return {status: {"model": model}, **(more or {})}


FILE: Responses = {200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}}
"""The documentation of an endpoint that answers a file."""
