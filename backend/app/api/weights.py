"""Weights that users bring, to start a training from."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from app.api.answer import FILE, Answer, shown
from app.api.deps import AttemptOrUserDep, PlatformDep, UserDep
from app.core.catch_all import streams_body
from app.schemas.datasets import WeightsList, WeightsView

router = APIRouter(prefix="/api/v1/weights", tags=["weights"])


@router.post("", status_code=201, dependencies=[UserDep], responses=shown(WeightsView, 201))
@streams_body
async def add_weights(
    request: Request, platform: PlatformDep, name: Annotated[str, Query(min_length=1, max_length=120)]
) -> Answer:
    """Stores weights: the file itself as the body."""
    return Answer(await platform.artifacts.add_weights(name, request.stream()), 201)


@router.get("", dependencies=[UserDep], responses=shown(WeightsList))
async def list_weights(platform: PlatformDep) -> Answer:
    """All weights that were brought, newest first."""
    return Answer({"items": await platform.artifacts.weights()})


@router.get("/{weights_id}/content", dependencies=[AttemptOrUserDep], response_class=Response, responses=FILE)
async def get_weights(weights_id: str, platform: PlatformDep) -> StreamingResponse:
    """The file itself."""
    row, content = await platform.artifacts.open_weights(weights_id)
    headers = {"Content-Length": str(row.bytes), "X-Content-SHA256": row.sha256}
    return StreamingResponse(content, media_type="application/octet-stream", headers=headers)
