"""The registry of codes as data, and what went wrong under a trace id; the pages to read are in `documents`."""

from typing import Annotated

from fastapi import APIRouter, Path

from app.api.answer import Answer, shown
from app.api.deps import CallerDep, PlatformDep
from app.core.error_messages import REGISTRY, ErrorRow
from app.core.errors import PlatformError
from app.schemas.errors import Code, Codes, Occurrences

router = APIRouter(tags=["errors"])
TraceId = Annotated[str, Path(pattern="^[0-9a-f]{32}$", description="As the error body and Server-Timing name it")]


def _row(code: str) -> ErrorRow:
    """The registry's row.

    Raises:
        PlatformError: NOT_FOUND.
    """
    row = REGISTRY.get(code)
    if row is None:
        raise PlatformError.from_code("NOT_FOUND", {"resource_type": "error code", "resource_id": code})
    return row


@router.get("/api/v1/errors", responses=shown(Codes))
async def list_codes() -> Answer:
    """Every code with its type, severity, HTTP status, message and reaction."""
    return Answer({"items": [row.to_dict() for row in REGISTRY.values()]})


@router.get("/api/v1/errors/occurrences/{trace_id}", responses=shown(Occurrences))
async def get_occurrences(trace_id: TraceId, platform: PlatformDep, caller: CallerDep) -> Answer:
    """What went wrong under a trace id, for the user and for support: the public form; of answers status, method, route.

    Of a storm of equal failures the first of each hour are kept; refusals for a missing token or too many requests are not.
    """
    return Answer({"trace_id": trace_id, "items": await platform.occurrences.find(trace_id, caller.viewer)})


@router.get("/api/v1/errors/{code}", responses=shown(Code))
async def get_code(code: str) -> Answer:
    """One code, as data."""
    return Answer(_row(code).to_dict())
