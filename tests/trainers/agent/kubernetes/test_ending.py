"""What Kubernetes says of a pod's end becomes evidence from which the right code is found."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.diagnosis.diagnose import diagnose
from app.diagnosis.evidence import Evidence
from trainers.agent.kubernetes.ending import START_SECONDS, evidence, finished, stuck

CREATED = datetime(2026, 11, 23, 12, tzinfo=UTC)
DISRUPTED = {
    "type": "DisruptionTarget",
    "status": "True",
    "reason": "PreemptionByScheduler",
    "message": "preempting to accommodate",
}


def job(reason: str = "PodFailurePolicy", kind: str = "Failed", message: str = "exit code 1") -> dict[str, Any]:
    return {"status": {"conditions": [{"type": kind, "status": "True", "reason": reason, "message": message}]}}


def pod(state: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    containers = [{"name": "sidecar", "state": {"terminated": {"exitCode": 77}}}, {"name": "attempt", "state": state or {}}]
    meta = {"name": "vtp-j-1-1-x", "creationTimestamp": "2026-11-23T12:00:00Z"}
    return {"metadata": meta, "spec": {"nodeName": "n1"}, "status": {"containerStatuses": containers, **status}}


def ended(code: int, reason: str = "Error") -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "reason": reason}}


def code_of(found: dict[str, Any]) -> str:
    return diagnose(Evidence.from_dict(found), failed=True).code


@pytest.mark.parametrize(
    ("its_job", "its_pod", "code"),
    [
        (job(), pod(ended(137, "OOMKilled")), "HOST_OOM"),
        (job(), pod(ended(137)), "TRAINER_KILLED"),
        (job(), pod(ended(139)), "TRAINER_CRASHED"),
        (job("DeadlineExceeded"), pod(ended(143)), "TRAINING_TIMEOUT"),
        (job(), pod(ended(137), conditions=[DISRUPTED]), "JOB_PREEMPTED"),
        (job(), pod(None, reason="Evicted", message="The node was low on resource: memory."), "JOB_PREEMPTED"),
        (
            job(),
            pod(
                ended(137),
                reason="Evicted",
                message="Pod ephemeral local storage usage exceeds the total limit of containers 20Gi.",
            ),
            "DISK_FULL",
        ),
        (job(), pod(None, phase="Unknown", reason="NodeLost"), "TRAINER_LOST"),
        (job(), pod(None), "TRAINER_LOST"),
        (job(), None, "TRAINER_LOST"),
    ],
    ids=["oom", "killed", "crashed", "deadline", "preempted", "evicted", "storage", "node", "silent", "no pod"],
)
def test_the_code_is_right_for_every_way_a_pod_can_end(its_job: Any, its_pod: Any, code: str) -> None:
    assert code_of(evidence(its_job, its_pod)) == code


def test_exit_codes_of_the_training_itself_are_told_and_those_of_sidecars_are_not() -> None:
    found = evidence(job(), pod(ended(12)))
    assert (found["exit_code"], found["signal"], found["exit_told_by"]) == (12, None, "kubernetes")
    assert found["pod"] == {"name": "vtp-j-1-1-x", "node": "n1", "job": "PodFailurePolicy: exit code 1"}


def test_a_job_has_ended_when_its_pod_has_too() -> None:
    assert finished(job())
    assert finished(job(kind="Complete"))
    assert not finished(job(kind="FailureTarget"))
    assert not finished({"status": {}})
    assert not finished({})


WAITING = {"waiting": {"reason": "ImagePullBackOff", "message": "no such tag"}}
NO_NODE = [
    {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": "0/3 nodes: Insufficient nvidia.com/gpu",
    }
]


@pytest.mark.parametrize(
    ("its_pod", "after_s", "code"),
    [
        (pod(WAITING, phase="Pending"), 10, None),
        (pod(WAITING, phase="Pending"), START_SECONDS + 1, "DEPENDENCY_ERROR"),
        (pod({"waiting": {"reason": "InvalidImageName"}}, phase="Pending"), 1, "DEPENDENCY_ERROR"),
        (pod(None, phase="Pending", conditions=NO_NODE), 10, None),
        (pod(None, phase="Pending", conditions=NO_NODE), START_SECONDS + 1, "TRAINER_LOST"),
        (pod(WAITING, phase="Running"), START_SECONDS + 1, None),
        (pod({"waiting": {"reason": "ContainerCreating"}}, phase="Pending"), START_SECONDS + 1, None),
    ],
)
def test_a_pod_that_will_not_start_is_given_up_when_it_has_had_its_time(
    its_pod: Any, after_s: float, code: str | None
) -> None:
    found = stuck(its_pod, CREATED + timedelta(seconds=after_s))
    assert (found and code_of(found)) == code
