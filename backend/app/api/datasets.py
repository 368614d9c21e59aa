"""Data sets over HTTP."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException

from app.api.deps import AttemptOrUserDep, PlatformDep, UserDep

router = APIRouter(prefix="/api/v1/datasets", tags=["data sets"])
ZIP_TYPES = ("application/zip", "application/x-zip-compressed", "application/octet-stream")


class SampleRequest(BaseModel):
    """Which sample set to take in, and under what name."""

    model_config = ConfigDict(extra="forbid")
    sample: str
    dataset_id: str | None = None


@router.post("", status_code=201, dependencies=[UserDep])
async def upload_dataset(
    request: Request, platform: PlatformDep, name: Annotated[str, Query(min_length=1, max_length=80)]
) -> dict[str, Any]:
    """Takes in a zip as the body. It is checked at once; `status` tells when that is done."""
    if request.headers.get("content-type", ZIP_TYPES[0]).split(";")[0].strip().lower() not in ZIP_TYPES:
        raise HTTPException(415)
    length = request.headers.get("content-length", "")
    return await platform.datasets.create(name, request.stream(), int(length) if length.isdecimal() else None)


@router.post("/samples", status_code=201, dependencies=[UserDep])
async def add_sample(wanted: SampleRequest, platform: PlatformDep) -> dict[str, Any]:
    """Takes in one of the sample sets that ship: digits-classify, digits-detect, digits-broken."""
    return await platform.datasets.add_sample(wanted.sample, wanted.dataset_id)


@router.get("", dependencies=[UserDep])
async def list_datasets(platform: PlatformDep) -> dict[str, Any]:
    """All data sets, newest first."""
    return {"items": await platform.datasets.list_all()}


@router.get("/{dataset_id}", dependencies=[UserDep])
async def get_dataset(dataset_id: str, platform: PlatformDep) -> dict[str, Any]:
    """One data set."""
    return await platform.datasets.show(dataset_id)


@router.get("/{dataset_id}/report", dependencies=[UserDep])
async def get_report(dataset_id: str, platform: PlatformDep) -> dict[str, Any]:
    """Every problem found: counts of each kind, the first 100 items with file and line, fixes."""
    return await platform.datasets.report(dataset_id)


@router.get("/{dataset_id}/problems", dependencies=[UserDep])
async def get_problems(
    dataset_id: str, platform: PlatformDep, form: Annotated[Literal["jsonl", "csv"], Query(alias="format")] = "jsonl"
) -> StreamingResponse:
    """Every problem found, one a line, as a file: JSON lines, or CSV for a spreadsheet."""
    lines = await platform.datasets.problems(dataset_id, as_csv=form == "csv")
    media_type = "text/csv; charset=utf-8" if form == "csv" else "application/x-ndjson"
    headers = {"Content-Disposition": f'attachment; filename="{dataset_id}-problems.{form}"'}
    return StreamingResponse(lines, media_type=media_type, headers=headers)


@router.post("/{dataset_id}/check", status_code=202, dependencies=[UserDep])
async def check_dataset_again(dataset_id: str, platform: PlatformDep) -> dict[str, Any]:
    """Checks a data set once more whose check failed for a reason that was not the data's."""
    return await platform.datasets.check_again(dataset_id)


@router.get("/{dataset_id}/thumbnails/{number}", dependencies=[UserDep])
async def get_thumbnail(dataset_id: str, number: int, platform: PlatformDep) -> Response:
    """What can be seen of a broken image."""
    content = await platform.datasets.thumbnail(dataset_id, number)
    return Response(content, media_type="image/png", headers={"Cache-Control": "private, max-age=3600"})


@router.delete("/{dataset_id}", status_code=204, dependencies=[UserDep])
async def delete_dataset(dataset_id: str, platform: PlatformDep) -> Response:
    """Removes a data set that no open job uses."""
    await platform.datasets.delete(dataset_id)
    return Response(status_code=204)


@router.get("/{dataset_id}/archive", dependencies=[AttemptOrUserDep])
async def get_archive(
    dataset_id: str,
    platform: PlatformDep,
    exclude_invalid_files: bool = False,
    val_fraction: Annotated[float | None, Query(gt=0, lt=0.9)] = None,
    seed: Annotated[int, Query(ge=0)] = 0,
) -> StreamingResponse:
    """The data set as a trainer gets it: a tar with splits and exclusions applied."""
    config = {"exclude_invalid_files": exclude_invalid_files, "val_fraction": val_fraction, "seed": seed}
    return StreamingResponse(await platform.datasets.archive(dataset_id, config), media_type="application/x-tar")
