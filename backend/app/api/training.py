"""Training jobs over HTTP. Endpoints parse, call one service and answer; errors leave through `core.responses`."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Header, Query, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse

from app.api.deps import AttemptDep, AttemptOrUserDep, PlatformDep, UserDep
from app.db.repositories.jobs import JobFilter
from app.schemas.training import JobCreated, RetryRequest, TrainingConfig, ValidationAnswer
from app.schemas.wire import ArtifactNote, TrainingUpdate

router = APIRouter(prefix="/api/v1/training-jobs", tags=["training jobs"])
START_SECONDS = 15.0
Updates = Annotated[TrainingUpdate | list[TrainingUpdate], Body()]


def _wants_async(prefer: str | None) -> bool:
    return "respond-async" in (prefer or "").lower()


def _created(job_id: str, status: int) -> JSONResponse:
    return JSONResponse({"job_id": job_id}, status, headers={"Location": f"{router.prefix}/{job_id}"})


@router.post("", dependencies=[UserDep], responses={200: {"model": JobCreated}, 202: {"model": JobCreated}})
async def create_training_job(
    config: TrainingConfig,
    platform: PlatformDep,
    prefer: Annotated[str | None, Header()] = None,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=255)] = None,
) -> JSONResponse:
    """Submits a training.

    200 means that an agent has it or that it waits for a free one; 503 that no agent could be reached, and nothing is
    left behind that would start later. With ``Prefer: respond-async`` the job is only stored (202) and starts as soon
    as an agent can take it.
    """
    job_id = await platform.training.create(config, idempotency_key)
    if _wants_async(prefer):
        platform.driver.kick()
        return _created(job_id, 202)
    await platform.driver.start_now(job_id, START_SECONDS)
    return _created(job_id, 200)


@router.post("/validate", dependencies=[UserDep])
async def validate_training_job(config: TrainingConfig, platform: PlatformDep) -> ValidationAnswer:
    """A dry run: everything that is wrong with a training, at once; nothing is stored."""
    return ValidationAnswer(**await platform.training.validate(config))


@router.get("", dependencies=[UserDep])
async def list_training_jobs(
    platform: PlatformDep,
    status: Annotated[list[str] | None, Query(description="May be given several times")] = None,
    code: str | None = None,
    q: Annotated[str | None, Query(max_length=200, description="Looks into id, name, model, data set, code")] = None,
    dataset_id: str | None = None,
    model: str | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    cursor: str | None = None,
) -> dict[str, Any]:
    """Jobs, newest first."""
    return await platform.reader.page(JobFilter(status, code, q, dataset_id, model), limit, cursor)


@router.get("/{job_id}", dependencies=[UserDep])
async def get_training_job(job_id: str, platform: PlatformDep) -> dict[str, Any]:
    """One job with its progress, result or error."""
    return await platform.reader.job(job_id)


@router.post("/{job_id}/cancel", status_code=202, dependencies=[UserDep])
async def cancel_training_job(job_id: str, platform: PlatformDep) -> dict[str, Any]:
    """Stops a job; the answer shows it as it is now, `cancelling` where an agent still has to stop it."""
    await platform.training.cancel(job_id)
    platform.driver.kick()
    return await platform.reader.job(job_id)


@router.post("/{job_id}/retry", dependencies=[UserDep], responses={200: {"model": JobCreated}})
async def retry_training_job(
    job_id: str, platform: PlatformDep, request: Annotated[RetryRequest | None, Body()] = None
) -> JSONResponse:
    """Submits a failed job again as a new one, with an offered fix or a patch of one's own applied."""
    new_id = await platform.training.retry(job_id, request or RetryRequest())
    platform.driver.kick()
    return _created(new_id, 200)


@router.post("/{job_id}/run-now", status_code=202, dependencies=[UserDep])
async def run_training_job_now(job_id: str, platform: PlatformDep) -> dict[str, Any]:
    """Ends the wait before the next attempt."""
    await platform.training.run_now(job_id)
    platform.driver.kick()
    return await platform.reader.job(job_id)


@router.post("/{job_id}/stop-retrying", status_code=202, dependencies=[UserDep])
async def stop_retrying_training_job(job_id: str, platform: PlatformDep) -> dict[str, Any]:
    """Ends a job that waits for its next attempt, as failed with the last attempt's error."""
    await platform.training.stop_retrying(job_id)
    return await platform.reader.job(job_id)


@router.get("/{job_id}/attempts", dependencies=[UserDep])
async def list_attempts(job_id: str, platform: PlatformDep) -> dict[str, Any]:
    """Every attempt with evidence, diagnosis, decision and wait."""
    return await platform.reader.attempts(job_id)


@router.get("/{job_id}/logs", dependencies=[UserDep], response_model=None)
async def get_logs(
    job_id: str,
    request: Request,
    platform: PlatformDep,
    attempt: int | None = None,
    after: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=5000)] = 500,
) -> Response | dict[str, Any]:
    """The training's output, in pieces; as plain text where Accept asks for it."""
    found = await platform.reader.logs(job_id, attempt, after, limit)
    if "text/plain" in request.headers.get("accept", ""):
        return PlainTextResponse("".join(piece["text"] for piece in found["items"]))
    return found


@router.get("/{job_id}/metrics", dependencies=[UserDep])
async def get_metrics(job_id: str, platform: PlatformDep) -> dict[str, Any]:
    """The figures of every finished epoch."""
    return await platform.reader.metrics(job_id)


@router.get("/{job_id}/artifacts", dependencies=[UserDep])
async def list_artifacts(job_id: str, platform: PlatformDep) -> dict[str, Any]:
    """Files of the job: weights, plots, tables."""
    return await platform.reader.artifacts(job_id)


@router.get("/{job_id}/artifacts/{name:path}", dependencies=[UserDep])
async def get_artifact(job_id: str, name: str, platform: PlatformDep) -> StreamingResponse:
    """One file, the newest version."""
    return await _file(platform, job_id, name)


@router.get("/{job_id}/attempts/{number}/artifacts/{name:path}", dependencies=[AttemptOrUserDep])
async def get_attempt_artifact(job_id: str, number: int, name: str, platform: PlatformDep) -> StreamingResponse:
    """One file of one attempt; agents take checkpoints from here."""
    return await _file(platform, job_id, name, number)


async def _file(platform: PlatformDep, job_id: str, name: str, attempt: int | None = None) -> StreamingResponse:
    artifact, content = await platform.artifacts.open(job_id, name, attempt)
    headers = {
        "Content-Length": str(artifact.bytes),
        "ETag": f'"{artifact.sha256}"',
        "X-Content-SHA256": artifact.sha256,
        "Cache-Control": "private, no-cache",
        # A file that a training made is never run as a page of ours.
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "X-Content-Type-Options": "nosniff",
    }
    return StreamingResponse(content, media_type=artifact.media_type, headers=headers)


@router.put("/{job_id}/attempts/{number}/artifacts/{name:path}", status_code=201)
async def put_artifact(
    job_id: str,
    name: str,
    request: Request,
    platform: PlatformDep,
    attempt: AttemptDep,
    x_content_sha256: Annotated[str, Header(pattern=r"^[0-9a-f]{64}$")],
    x_artifact_role: Annotated[str, Header()] = "table",
    x_artifact_epoch: Annotated[int | None, Header()] = None,
) -> dict[str, Any]:
    """An agent's upload of a file of its attempt."""
    note = ArtifactNote.model_validate(
        {
            "name": name,
            "bytes": 0,
            "sha256": x_content_sha256,
            "media_type": request.headers.get("content-type", "application/octet-stream"),
            "role": x_artifact_role,
            "epoch": x_artifact_epoch,
        }
    )
    return await platform.artifacts.store(job_id, attempt, note, request.stream())


@router.post("/{job_id}/callback")
async def training_callback(job_id: str, updates: Updates, platform: PlatformDep, attempt: AttemptDep) -> dict[str, Any]:
    """What an agent tells of an attempt: one update, or several in order.

    `last_seq` says up to which number updates are stored; `final` that the attempt has ended and nothing more is wanted.
    """
    several = updates if isinstance(updates, list) else [updates]
    return await platform.updates.accept(job_id, attempt, several)
