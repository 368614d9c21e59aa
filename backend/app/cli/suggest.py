"""What somebody may have meant who named a job or data set that is not there."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from app.cli.client import Api, ApiFailure

LOOKED_AT = 200


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """Up to three of `known` that look like `name`."""
    by_folded = {candidate.lower(): candidate for candidate in known}
    return [by_folded[match] for match in get_close_matches(name.lower(), by_folded, n=3, cutoff=0.6)]


def did_you_mean(error: dict[str, Any]) -> str | None:
    """A line with the nearest ids where `error` says that a job or data set is not there; None where nothing is near."""
    from app.core.errors import PlatformError

    params = error.get("params") or {}
    try:
        if error["code"] == "DATASET_NOT_FOUND" and params.get("dataset_id"):
            items = Api().call("GET", "/datasets")["items"]
            close = nearest(str(params["dataset_id"]), (item["dataset_id"] for item in items))
        elif error["code"] == "NOT_FOUND" and params.get("resource_type") == "job":
            items = Api().call("GET", "/training-jobs", params={"limit": LOOKED_AT})["items"]
            wanted = str(params["resource_id"])
            close = nearest(wanted, (item["job_id"] for item in items))
            close += [item["job_id"] for item in items if item["name"] == wanted]
        else:
            return None
    except (ApiFailure, PlatformError, KeyError):
        return None  # only a hint; the failure itself is told anyway
    return f"did you mean {' or '.join(f'`{name}`' for name in dict.fromkeys(close))}?" if close else None
