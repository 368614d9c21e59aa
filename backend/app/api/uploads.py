"""Uploads of data sets in pieces over HTTP, for large files and bad connections."""

from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Request, Response

from app.api.answer import Answer, shown
from app.api.deps import PlatformDep, UserDep
from app.core.catch_all import streams_body
from app.schemas.datasets import PieceAddress, UploadRequest, Uploads, UploadView

router = APIRouter(prefix="/api/v1/uploads", tags=["data sets"])
Checksum = Annotated[
    str | None,
    Header(alias="X-Content-SHA256", pattern="^[0-9a-fA-F]{64}$", description="Of the piece; another one is refused"),
]

WholeChecksum = Annotated[
    str | None, Query(pattern="^[0-9a-fA-F]{64}$", description="SHA-256 of the whole file; another one is refused")
]


@router.post("", status_code=201, dependencies=[UserDep], responses=shown(UploadView, 201))
async def begin_upload(wanted: UploadRequest, platform: PlatformDep) -> Answer:
    """Begins an upload; its pieces follow with PATCH."""
    begun = await platform.uploads.begin(wanted.name, wanted.bytes, wanted.modified)
    return Answer(begun, 201, {"Location": f"{router.prefix}/{begun['upload_id']}"})


@router.get("", dependencies=[UserDep], responses=shown(Uploads))
async def list_uploads(platform: PlatformDep) -> Answer:
    """Uploads that were cut off and can go on, newest first. They are kept for three days."""
    return Answer({"items": await platform.uploads.unfinished()})


@router.get("/{upload_id}", dependencies=[UserDep], responses=shown(UploadView))
async def get_upload(upload_id: str, platform: PlatformDep) -> Answer:
    """How far an upload has come, or the data set that it has become."""
    return Answer(await platform.uploads.show(upload_id))


@router.patch("/{upload_id}", dependencies=[UserDep], responses=shown(UploadView))
@streams_body
async def send_piece(
    upload_id: str,
    request: Request,
    platform: PlatformDep,
    offset: Annotated[int, Query(ge=0, description="Where the piece begins")],
    sha256: Checksum = None,
) -> Answer:
    """Takes in the next piece as the body, at most 64 MiB. The last one makes the data set, which is checked at once.

    A piece that is not the next one is refused (409); `expected_seq` tells the byte where that begins. A last piece whose
    answer was lost may be sent again.
    """
    return Answer(await platform.uploads.take(upload_id, offset, request.stream(), sha256))


@router.get("/{upload_id}/pieces/{offset}", dependencies=[UserDep], responses=shown(PieceAddress))
async def get_piece_address(upload_id: str, offset: Annotated[int, Path(ge=0)], platform: PlatformDep) -> Answer:
    """Where to PUT the piece that begins at `offset` (any size, 5 MiB to 1 GiB are sensible), straight into S3.

    `url` is null where the platform keeps files in a folder: pieces go with PATCH then. POST to `complete` at the end.
    """
    return Answer(await platform.uploads.address(upload_id, offset))


@router.post("/{upload_id}/complete", dependencies=[UserDep], responses=shown(UploadView))
async def complete_upload(upload_id: str, platform: PlatformDep, sha256: WholeChecksum = None) -> Answer:
    """Makes the data set of the pieces that were put into S3. Where one is missing (409), `expected_seq` tells which."""
    return Answer(await platform.uploads.complete(upload_id, sha256))


@router.delete("/{upload_id}", status_code=204, dependencies=[UserDep])
async def discard_upload(upload_id: str, platform: PlatformDep) -> Response:
    """Forgets an upload and what has come of it."""
    await platform.uploads.discard(upload_id)
    return Response(status_code=204)
