"""The configuration with which a job is tried again: its own, with an offered fix or a patch of the user's own applied."""

from typing import Any

import jsonpatch
from jsonpointer import JsonPointerException
from pydantic import ValidationError as SchemaViolation

from app.core.errors import FieldError, PlatformError
from app.db.models import Job
from app.schemas.training import RetryRequest, TrainingConfig
from app.services.views import shown_error


def asked_config(job: Job, request: RetryRequest) -> TrainingConfig:
    """The configuration that `request` makes of the job's.

    Raises:
        PlatformError: VALIDATION_FAILED for an unknown fix or a patch that does not fit; INVALID_CONFIG.
    """
    return _config_of(_patched(job, request))


def _patched(job: Job, request: RetryRequest) -> dict[str, Any]:
    if request.fix_id is not None:
        # A manual fix is advice: there is nothing in it that could be applied.
        offered = [fix for fix in (shown_error(job.error) or {}).get("fixes", []) if fix["patch"]]
        fix = next((fix for fix in offered if fix["id"] == request.fix_id), None)
        if fix is None:
            message = f"job {job.id} offers no fix `{request.fix_id}`"
            known = ", ".join(fix["id"] for fix in offered) or "none"
            error = FieldError("#/fix_id", "unknown_fix", f"{message}; offered: {known}")
            raise PlatformError.from_code("VALIDATION_FAILED", {"field": "fix_id"}, errors=[error])
        operations = fix["patch"]
    else:
        operations = [operation.model_dump() for operation in request.patch or ()]
    try:
        patched: dict[str, Any] = jsonpatch.apply_patch(job.config, operations)
    except (jsonpatch.JsonPatchException, JsonPointerException) as error:
        wrong = FieldError("#/patch", "patch", f"does not fit the configuration: {error}")
        raise PlatformError.from_code("VALIDATION_FAILED", {"field": "patch"}, errors=[wrong], cause=error) from error
    return patched


def _config_of(values: dict[str, Any]) -> TrainingConfig:
    try:
        return TrainingConfig.model_validate(values)
    except SchemaViolation as error:
        wrong = [
            FieldError("#/" + "/".join(str(part) for part in problem["loc"]), problem["type"], problem["msg"])
            for problem in error.errors()
        ]
        details = wrong[0].message
        raise PlatformError.from_code("INVALID_CONFIG", {"details": details}, errors=wrong, cause=error) from error
