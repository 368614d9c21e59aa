"""Data sets over HTTP."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException

from app.api.answer import FILE, Answer, Responses, shown
from app.api.deps import AttemptOrUserDep, PlatformDep, UserDep
from app.core.catch_all import streams_body
from app.schemas.datasets import DatasetList, DatasetReport, DatasetView

router = APIRouter(prefix="/api/v1/datasets", tags=["data sets"])
LINES: Responses = {200: {"content": {"application/x-ndjson": {}, "text/csv": {}}}}
PICTURE: Responses = {200: {"content": {"image/png": {}}}}
ZIP_TYPES = ("application/zip", "application/x-zip-compressed", "application/octet-stream")


class SampleRequest(BaseModel):
    """Which sample set to take in, and under what name."""

    model_config = ConfigDict(extra="forbid")
    sample: str
    dataset_id: str | None = None


@router.post("", status_code=201, dependencies=[UserDep], responses=shown(DatasetView, 201))
@streams_body
async def upload_dataset(
    request: Request, platform: PlatformDep, name: Annotated[str, Query(min_length=1, max_length=80)]
) -> Answer:
    """Takes in a zip as the body. It is checked at once; `status` tells when that is done."""
    if request.headers.get("content-type", ZIP_TYPES[0]).split(";")[0].strip().lower() not in ZIP_TYPES:
        raise HTTPException(415)
    length = request.headers.get("content-length", "")
    return Answer(await platform.datasets.create(name, request.stream(), int(length) if length.isdecimal() else None), 201)


@router.post("/samples", status_code=201, dependencies=[UserDep], responses=shown(DatasetView, 201))
async def add_sample(wanted: SampleRequest, platform: PlatformDep) -> Answer:
    """Takes in one of the sample sets that ship: digits-classify, digits-detect, digits-broken."""
    return Answer(await platform.datasets.add_sample(wanted.sample, wanted.dataset_id), 201)


@router.get("", dependencies=[UserDep], responses=shown(DatasetList))
async def list_datasets(platform: PlatformDep) -> Answer:
    """All data sets, newest first."""
    return Answer({"items": await platform.datasets.list_all()})


@router.get("/{dataset_id}", dependencies=[UserDep], responses=shown(DatasetView))
async def get_dataset(dataset_id: str, platform: PlatformDep) -> Answer:
    """One data set."""
    return Answer(await platform.datasets.show(dataset_id))


@router.get("/{dataset_id}/report", dependencies=[UserDep], responses=shown(DatasetReport))
async def get_report(dataset_id: str, platform: PlatformDep) -> Answer:
    """Every problem found: counts of each kind, the first 100 items with file and line, fixes."""
    return Answer(await platform.datasets.report(dataset_id))


@router.get("/{dataset_id}/problems", dependencies=[UserDep], response_class=Response, responses=LINES)
async def get_problems(
    dataset_id: str, platform: PlatformDep, form: Annotated[Literal["jsonl", "csv"], Query(alias="format")] = "jsonl"
) -> StreamingResponse:
    """Every problem found, one a line, as a file: JSON lines, or CSV for a spreadsheet."""
    lines = await platform.datasets.problems(dataset_id, as_csv=form == "csv")
    media_type = "text/csv; charset=utf-8" if form == "csv" else "application/x-ndjson"
    headers = {"Content-Disposition": f'attachment; filename="{dataset_id}-problems.{form}"'}
    return StreamingResponse(lines, media_type=media_type, headers=headers)


@router.post("/{dataset_id}/check", status_code=202, dependencies=[UserDep], responses=shown(DatasetView, 202))
async def check_dataset_again(dataset_id: str, platform: PlatformDep) -> Answer:
    """Checks a data set once more whose check failed for a reason that was not the data's."""
    return Answer(await platform.datasets.check_again(dataset_id), 202)


@router.get("/{dataset_id}/thumbnails/{number}", dependencies=[UserDep], response_class=Response, responses=PICTURE)
async def get_thumbnail(dataset_id: str, number: int, platform: PlatformDep) -> Response:
    """What can be seen of a broken image."""
    content = await platform.datasets.thumbnail(dataset_id, number)
    return Response(content, media_type="image/png", headers={"Cache-Control": "private, max-age=3600"})


@router.delete("/{dataset_id}", status_code=204, dependencies=[UserDep])
async def delete_dataset(dataset_id: str, platform: PlatformDep) -> Response:
    """Removes a data set that no open job uses."""
    await platform.datasets.delete(dataset_id)
    return Response(status_code=204)


@router.get("/{dataset_id}/archive", dependencies=[AttemptOrUserDep], response_class=Response, responses=FILE)
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
