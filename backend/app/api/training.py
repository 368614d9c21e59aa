"""Training jobs over HTTP. Endpoints parse, call one service and answer; errors leave through `core.responses`."""

from typing import Annotated

from fastapi import APIRouter, Body, Header, Query, Request, Response
from fastapi.responses import PlainTextResponse, StreamingResponse

from app.api.answer import FILE, Answer, Responses, shown
from app.api.deps import AttemptDep, AttemptOrUserDep, PlatformDep, UserDep
from app.core.catch_all import streams_body
from app.db.repositories.jobs import JobFilter
from app.schemas.answers import (
    Artifacts,
    Attempts,
    CallbackAnswer,
    Epochs,
    JobPage,
    JobView,
    LogPage,
)
from app.schemas.explanation import Explanation
from app.schemas.training import JobCreated, RetryRequest, TrainingConfig, ValidationAnswer
from app.schemas.wire import ArtifactNote, TrainingUpdate
from app.services.artifacts import note_of
from app.services.idempotency import plain_key

router = APIRouter(prefix="/api/v1/training-jobs", tags=["training jobs"])
START_SECONDS = 15.0
LOGS: Responses = {200: {"model": LogPage, "content": {"text/plain": {}}}}
IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=255,
        description="A repeated POST with the same key and body within 24 hours gives the first answer again and makes no "
        "second job; with another body it is refused (422), while the first is under way (409).",
    ),
]
Updates = Annotated[TrainingUpdate | list[TrainingUpdate], Body()]


def _wants_async(prefer: str | None) -> bool:
    return "respond-async" in (prefer or "").lower()


def _created(job_id: str, status: int, *, replayed: bool = False) -> Answer:
    headers = {"Location": f"{router.prefix}/{job_id}", **({"Idempotency-Replayed": "true"} if replayed else {})}
    return Answer({"job_id": job_id}, status, headers)


@router.post("", dependencies=[UserDep], responses=shown(JobCreated, more=shown(JobCreated, 202)))
async def create_training_job(
    config: TrainingConfig,
    platform: PlatformDep,
    prefer: Annotated[str | None, Header()] = None,
    idempotency_key: IdempotencyKey = None,
) -> Answer:
    """Submits a training.

    200 means that an agent has it or that it waits for a free one; 503 that no agent could be reached, and nothing is
    left behind that would start later. With ``Prefer: respond-async`` the job is only stored (202) and starts as soon
    as an agent can take it.
    """
    key = plain_key(idempotency_key) if idempotency_key is not None else None
    async with platform.idempotency.once(key) as earlier:
        # `create` compares the bodies; with an equal one it gives the earlier job.
        job_id = await platform.training.create(config, key)
        replayed = earlier is not None
        if _wants_async(prefer):
            platform.driver.kick()
            return _created(job_id, 202, replayed=replayed)
        if not replayed:
            await platform.driver.start_now(job_id, START_SECONDS)
        return _created(job_id, 200, replayed=replayed)


@router.post("/validate", dependencies=[UserDep], responses=shown(ValidationAnswer))
async def validate_training_job(config: TrainingConfig, platform: PlatformDep) -> Answer:
    """A dry run: everything that is wrong with a training, at once; nothing is stored."""
    return Answer(await platform.dry_run.check(config))


@router.get("", dependencies=[UserDep], responses=shown(JobPage))
async def list_training_jobs(
    platform: PlatformDep,
    status: Annotated[list[str] | None, Query(description="May be given several times")] = None,
    code: str | None = None,
    q: Annotated[str | None, Query(max_length=200, description="Looks into id, name, model, data set, code")] = None,
    dataset_id: str | None = None,
    model: str | None = None,
    unresolved: Annotated[bool, Query(description="Only failed jobs that were not tried again")] = False,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    cursor: str | None = None,
    offset: Annotated[int, Query(ge=0, le=10_000_000, description="Jobs to leave out at the beginning")] = 0,
) -> Answer:
    """Jobs, newest first."""
    wanted = JobFilter(status, code, q, dataset_id, model, unresolved)
    return Answer(await platform.reader.page(wanted, limit, cursor, offset))


@router.get("/{job_id}", dependencies=[UserDep], responses=shown(JobView))
async def get_training_job(job_id: str, platform: PlatformDep) -> Answer:
    """One job with its progress, result or error."""
    return Answer(await platform.reader.job(job_id))


@router.post("/{job_id}/cancel", status_code=202, dependencies=[UserDep], responses=shown(JobView, 202))
async def cancel_training_job(job_id: str, platform: PlatformDep) -> Answer:
    """Stops a job; the answer shows it as it is now, `cancelling` where an agent still has to stop it."""
    await platform.training.cancel(job_id)
    platform.driver.kick()
    return Answer(await platform.reader.job(job_id), 202)


@router.post("/{job_id}/retry", dependencies=[UserDep], responses=shown(JobCreated))
async def retry_training_job(
    job_id: str,
    platform: PlatformDep,
    request: Annotated[RetryRequest | None, Body()] = None,
    idempotency_key: IdempotencyKey = None,
) -> Answer:
    """Submits a failed job again as a new one, with an offered fix or a patch of one's own applied."""
    key = plain_key(idempotency_key) if idempotency_key is not None else None
    async with platform.idempotency.once(key) as earlier:
        # `retry` compares job and body; with equal ones it gives the earlier job.
        new_id = await platform.training.retry(job_id, request or RetryRequest(), key)
        platform.driver.kick()
        return _created(new_id, 200, replayed=earlier is not None)


@router.post("/{job_id}/run-now", status_code=202, dependencies=[UserDep], responses=shown(JobView, 202))
async def run_training_job_now(job_id: str, platform: PlatformDep) -> Answer:
    """Ends the wait before the next attempt."""
    await platform.training.run_now(job_id)
    platform.driver.kick()
    return Answer(await platform.reader.job(job_id), 202)


@router.post("/{job_id}/stop-retrying", status_code=202, dependencies=[UserDep], responses=shown(JobView, 202))
async def stop_retrying_training_job(job_id: str, platform: PlatformDep) -> Answer:
    """Ends a job that waits for its next attempt, as failed with the last attempt's error."""
    await platform.training.stop_retrying(job_id)
    return Answer(await platform.reader.job(job_id), 202)


@router.get("/{job_id}/attempts", dependencies=[UserDep], responses=shown(Attempts))
async def list_attempts(job_id: str, platform: PlatformDep) -> Answer:
    """Every attempt with evidence, diagnosis, decision and wait."""
    return Answer(await platform.reader.attempts(job_id))


@router.get("/{job_id}/explanation", dependencies=[UserDep], responses=shown(Explanation))
async def explain_failure(
    job_id: str,
    platform: PlatformDep,
    ask: Annotated[bool, Query(description="False gives a model's words only where they are kept already")] = True,
) -> Answer:
    """Why the job failed; in a language model's words where a key is set and it answers, else in the catalogue's."""
    return Answer(await platform.explanations.explanation(job_id, ask=ask))


@router.get("/{job_id}/logs", dependencies=[UserDep], response_class=Response, responses=LOGS)
async def get_logs(
    job_id: str,
    request: Request,
    platform: PlatformDep,
    attempt: int | None = None,
    after: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=5000)] = 500,
) -> Response:
    """The training's output, in pieces; as plain text where Accept asks for it."""
    found = await platform.reader.logs(job_id, attempt, after, limit)
    if "text/plain" in request.headers.get("accept", ""):
        return PlainTextResponse("".join(piece["text"] for piece in found["items"]))
    return Answer(found)


@router.get("/{job_id}/metrics", dependencies=[UserDep], responses=shown(Epochs))
async def get_metrics(job_id: str, platform: PlatformDep) -> Answer:
    """The figures of every finished epoch."""
    return Answer(await platform.reader.metrics(job_id))


Direct = Annotated[
    bool, Query(description="Where the files are in S3, send the client there (307) instead of passing them through")
]


@router.get("/{job_id}/artifacts", dependencies=[UserDep], responses=shown(Artifacts))
async def list_artifacts(job_id: str, platform: PlatformDep) -> Answer:
    """Files of the job: weights, plots, tables."""
    return Answer(await platform.reader.artifacts(job_id))


@router.get("/{job_id}/artifacts/{name:path}", dependencies=[UserDep], response_class=Response, responses=FILE)
async def get_artifact(job_id: str, name: str, platform: PlatformDep, direct: Direct = False) -> Response:
    """One file, the newest version."""
    return await _file(platform, job_id, name, direct=direct)


@router.get(
    "/{job_id}/attempts/{number}/artifacts/{name:path}",
    dependencies=[AttemptOrUserDep],
    response_class=Response,
    responses=FILE,
)
async def get_attempt_artifact(
    job_id: str, number: int, name: str, platform: PlatformDep, direct: Direct = False
) -> Response:
    """One file of one attempt; agents take checkpoints from here."""
    return await _file(platform, job_id, name, number, direct=direct)


async def _file(platform: PlatformDep, job_id: str, name: str, attempt: int | None = None, *, direct: bool) -> Response:
    there = await platform.artifacts.address(job_id, name, attempt) if direct else None
    if there is not None:
        return Response(status_code=307, headers={"Location": there, "Cache-Control": "no-store"})
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


@router.put("/{job_id}/attempts/{number}/artifacts/{name:path}", status_code=201, responses=shown(ArtifactNote, 201))
@streams_body
async def put_artifact(
    job_id: str,
    name: str,
    request: Request,
    platform: PlatformDep,
    attempt: AttemptDep,
    x_content_sha256: Annotated[str, Header(pattern=r"^[0-9a-f]{64}$")],
    x_artifact_role: Annotated[str, Header()] = "table",
    x_artifact_epoch: Annotated[int | None, Header()] = None,
) -> Answer:
    """An agent's upload of a file of its attempt."""
    note = note_of(
        {
            "name": name,
            "bytes": 0,
            "sha256": x_content_sha256,
            "media_type": request.headers.get("content-type", "application/octet-stream"),
            "role": x_artifact_role,
            "epoch": x_artifact_epoch,
        }
    )
    return Answer(await platform.artifacts.store(job_id, attempt, note, request.stream()), 201)


@router.post("/{job_id}/callback", responses=shown(CallbackAnswer))
async def training_callback(job_id: str, updates: Updates, platform: PlatformDep, attempt: AttemptDep) -> Answer:
    """What an agent tells of an attempt: one update, or several in order.

    `last_seq` says up to which number updates are stored; `final` that the attempt has ended and nothing more is wanted.
    """
    several = updates if isinstance(updates, list) else [updates]
    return Answer(await platform.updates.accept(job_id, attempt, several))
