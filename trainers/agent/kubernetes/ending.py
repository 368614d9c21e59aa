"""What a Job and its pod tell of an attempt's end, as evidence for the diagnosis. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from trainers.agent.kubernetes.manifest import CONTAINER

SIGNALS = 128
IMAGE_REASONS = (
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "CreateContainerConfigError",
    "CreateContainerError",
)
START_SECONDS = 300.0
"""A pod whose image cannot be had, or that gets no node, is given up after so long."""
Told = dict[str, Any]


def condition(owner: Mapping[str, Any], kind: str) -> Told | None:
    """A condition of a Job or pod where it holds."""
    conditions = (owner.get("status") or {}).get("conditions") or ()
    return next((one for one in conditions if one.get("type") == kind and one.get("status") == "True"), None)


def finished(job: Mapping[str, Any]) -> bool:
    """Whether a Job has ended, and with it its pod: only then is everything known of it."""
    return any(condition(job, kind) for kind in ("Complete", "Failed"))


def _state(pod: Mapping[str, Any]) -> Told:
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    return next((dict(one.get("state") or {}) for one in statuses if one.get("name") == CONTAINER), {})


def _error(code: str, message: str) -> Told:
    return {"error": {"type": None, "code": code, "message": message[:2000], "details": {}}}


def _exit(ended: Mapping[str, Any]) -> Told:
    code = int(ended.get("exitCode", 0))
    signal = int(ended.get("signal") or 0) or (code - SIGNALS if code > SIGNALS else 0)
    return {"exit_code": None if signal else code, "signal": signal or None, "exit_told_by": "kubernetes"}


def _disrupted(pod: Mapping[str, Any]) -> Told | None:
    """What is told of a pod that was taken away: evicted, preempted, drained, its node gone."""
    status = pod.get("status") or {}
    message = str(status.get("message") or "")
    if status.get("reason") == "Evicted":
        if "ephemeral-storage" in message or "ephemeral local storage" in message:
            return _error("DISK_FULL", f"the pod was evicted: {message}")
        return {"preemption_notice": True, "preemption_by": f"Evicted: {message}"[:500]}
    found = condition(pod, "DisruptionTarget")
    if found is not None:
        return {"preemption_notice": True, "preemption_by": f"{found.get('reason')}: {found.get('message', '')}"[:500]}
    if status.get("reason") in ("NodeLost", "NodeShutdown", "Terminated") or status.get("phase") == "Unknown":
        return _error("TRAINER_LOST", f"the node is gone: {message or status.get('reason')}")
    return None


def evidence(job: Mapping[str, Any], pod: Mapping[str, Any] | None) -> Told:
    """The evidence of a Job that has failed. `pod` is None where it was removed before anybody could look."""
    failed = condition(job, "Failed") or {}
    why = f"{failed.get('reason', '')}: {failed.get('message', '')}".strip(": ")
    if pod is None:
        return _error("TRAINER_LOST", f"the pod is gone without a word; its Job says: {why or 'nothing'}")
    found: Told = {"pod": {"name": pod["metadata"]["name"], "node": (pod.get("spec") or {}).get("nodeName"), "job": why}}
    ended = _state(pod).get("terminated") or {}
    if ended:
        found |= _exit(ended)
    if ended.get("reason") == "OOMKilled":
        # The kernel ended the whole container: its supervisor could not count that itself.
        return {**found, "signal": 9, "exit_code": None, "oom_kill_delta": 1}
    if failed.get("reason") == "DeadlineExceeded":
        return {**found, "killed_by": "timeout"}
    disrupted = _disrupted(pod)
    if disrupted is not None:
        return {**found, **disrupted}
    return found if ended else {**found, **_error("TRAINER_LOST", f"the pod has ended without a word: {why}")}


def stuck(pod: Mapping[str, Any], now: datetime) -> Told | None:
    """Why a pod will not start, where it has had its time; None while it may still, or has."""
    meta, waiting = pod.get("metadata") or {}, _state(pod).get("waiting") or {}
    created = datetime.fromisoformat(str(meta["creationTimestamp"]).replace("Z", "+00:00"))
    if (pod.get("status") or {}).get("phase") != "Pending":
        return None
    reason, message = str(waiting.get("reason") or ""), str(waiting.get("message") or "")
    if reason == "InvalidImageName" or (reason in IMAGE_REASONS and (now - created).total_seconds() > START_SECONDS):
        return _error("DEPENDENCY_ERROR", f"the container cannot be made: {reason}: {message}")
    if (now - created).total_seconds() > START_SECONDS:
        conditions = (pod.get("status") or {}).get("conditions") or ()
        unscheduled = next((one for one in conditions if one.get("reason") == "Unschedulable"), None)
        if unscheduled is not None:
            return _error("TRAINER_LOST", f"no node takes the pod: {unscheduled.get('message', '')}")
    return None
