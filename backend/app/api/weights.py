"""Weights that users bring, to start a training from."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse

from app.api.deps import AttemptOrUserDep, PlatformDep, UserDep

router = APIRouter(prefix="/api/v1/weights", tags=["weights"])


@router.post("", status_code=201, dependencies=[UserDep])
async def add_weights(
    request: Request, platform: PlatformDep, name: Annotated[str, Query(min_length=1, max_length=120)]
) -> dict[str, Any]:
    """Stores weights: the file itself as the body."""
    return await platform.artifacts.add_weights(name, request.stream())


@router.get("", dependencies=[UserDep])
async def list_weights(platform: PlatformDep) -> dict[str, Any]:
    """All weights that were brought, newest first."""
    return {"items": await platform.artifacts.weights()}


@router.get("/{weights_id}/content", dependencies=[AttemptOrUserDep])
async def get_weights(weights_id: str, platform: PlatformDep) -> StreamingResponse:
    """The file itself."""
    row, content = await platform.artifacts.open_weights(weights_id)
    headers = {"Content-Length": str(row.bytes), "X-Content-SHA256": row.sha256}
    return StreamingResponse(content, media_type="application/octet-stream", headers=headers)
