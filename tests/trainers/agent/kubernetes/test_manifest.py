"""An attempt's Job and Secret are valid Kubernetes objects, and say what the pod has."""

from typing import Any

import kubernetes_validate
import pytest

from trainers.agent.kubernetes import manifest

KEY = ("J-12", 3)
URL = "http://vtp-backend.ns.svc:80"
SPEC = {"job_id": "J-12", "attempt": 3, "token": "t", "limits": {"max_duration_s": 60}}
TEMPLATE: dict[str, Any] = {
    "metadata": {"labels": {"app": "vtp"}, "annotations": {"vtp/gpu-name": "T4", "vtp/gpu-memory": "16Gi"}},
    "spec": {
        "containers": [
            {"name": "sidecar", "image": "x"},
            {
                "name": "attempt",
                "image": "vtp:1",
                "resources": {"limits": {"cpu": "4", "memory": "16Gi", "nvidia.com/gpu": 2}},
            },
        ]
    },
}


def made(spec: dict[str, Any] = SPEC) -> dict[str, Any]:
    return manifest.job(KEY, spec, TEMPLATE, "k8s-ns-t4", URL)


def test_job_and_secret_hold_against_kubernetes_own_schemas() -> None:
    job = made()
    kubernetes_validate.validate(job, "1.31", strict=True)
    kubernetes_validate.validate(job, "1.37", strict=True)
    job["metadata"]["uid"] = "u-1"
    secret = manifest.secret(SPEC, job)
    kubernetes_validate.validate(secret, "1.37", strict=True)
    assert manifest.spec_in(secret) == SPEC
    assert secret["metadata"]["ownerReferences"][0]["uid"] == "u-1"


def test_a_pod_is_started_once_for_the_platform_alone_decides_about_another_attempt() -> None:
    spec = made()["spec"]
    assert spec["backoffLimit"] == 0
    assert spec["template"]["spec"]["restartPolicy"] == "Never"
    assert [rule["action"] for rule in spec["podFailurePolicy"]["rules"]] == ["FailJob", "FailJob"]
    assert spec["activeDeadlineSeconds"] == 60 + manifest.SPARE_SECONDS
    assert "activeDeadlineSeconds" not in made({**SPEC, "limits": {}})["spec"]


def test_the_assignment_is_mounted_into_the_container_of_the_training_alone_and_the_template_stays() -> None:
    sidecar, attempt = made()["spec"]["template"]["spec"]["containers"]
    assert "volumeMounts" not in sidecar
    assert attempt["volumeMounts"] == [{"name": "assignment", "mountPath": manifest.MOUNT, "readOnly": True}]
    assert {"name": "VTP_BACKEND_URL", "value": URL} in attempt["env"]
    assert "volumes" not in TEMPLATE["spec"]
    assert "token" not in str(made())


def test_an_attempt_is_found_again_by_its_labels_and_platforms_do_not_meet_in_names() -> None:
    job = made()
    assert manifest.key_of(job) == manifest.key_of(job["spec"]["template"]) == KEY
    assert manifest.name_of(KEY, URL) != manifest.name_of(KEY, "http://other")
    assert manifest.name_of(KEY, URL).startswith("vtp-j-12-3-")


def test_a_pools_resources_are_told_in_the_words_of_an_agent() -> None:
    gpu = {"name": "T4", "memory_bytes": 16 * 2**30}
    assert manifest.resources(TEMPLATE) == {"cpus": 4, "memory_bytes": 16 * 2**30, "gpus": [gpu, gpu]}


@pytest.mark.parametrize(
    ("text", "number"), [("8Gi", 8 * 2**30), ("500m", 0.5), ("2", 2), (2, 2), ("1.5G", 1.5e9), (None, 0), ("64Ki", 65536)]
)
def test_quantities_are_read(text: object, number: float) -> None:
    assert manifest.quantity(text) == number


def test_a_template_without_the_container_or_with_a_wrong_quantity_is_refused() -> None:
    with pytest.raises(ValueError, match="no container called attempt"):
        manifest.resources({"spec": {"containers": [{"name": "x"}]}})
    with pytest.raises(ValueError, match="is no quantity"):
        manifest.quantity("8 GB")
