"""An attempt as a Job and a Secret. Pure."""

import base64
import copy
import hashlib
import json
import re
from typing import Any

from trainers.agent.outbox import Key

CONTAINER, VOLUME, MOUNT = "attempt", "assignment", "/var/run/vtp/assignment"
LABEL_AGENT, LABEL_JOB, LABEL_ATTEMPT = "vtp/agent", "vtp/job", "vtp/attempt"
SPARE_SECONDS = 600
"""Beyond a training's own time limit: what fetching data and delivering the last word may take."""
KEPT_SECONDS = 24 * 3600
"""After its end a Job that nobody has read is kept so long."""
_FACTORS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "": 1}
_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)(Ki|Mi|Gi|Ti|k|M|G|T|m)?")


def name_of(key: Key, backend_url: str) -> str:
    """The name of an attempt's Job, also where several platforms share a namespace."""
    place = hashlib.sha256(backend_url.encode()).hexdigest()[:6]
    return f"vtp-{key[0].lower()}-{key[1]}-{place}"


def key_of(job: dict[str, Any]) -> Key:
    """The attempt that a Job is."""
    labels = job["metadata"]["labels"]
    return str(labels[LABEL_JOB]), int(labels[LABEL_ATTEMPT])


def quantity(text: object) -> float:
    """A Kubernetes quantity as a number: ``8Gi``, ``500m``; 0 where there is none.

    Raises:
        ValueError: it is none.
    """
    if text is None:
        return 0.0
    found = _QUANTITY.fullmatch(str(text))
    if found is None:
        message = f"{text!r} is no quantity"
        raise ValueError(message)
    return float(found[1]) / 1000 if found[2] == "m" else float(found[1]) * _FACTORS[found[2] or ""]


def resources(template: dict[str, Any]) -> dict[str, Any]:
    """What a pod of this template has, in the words of an agent's report.

    A GPU's kind and memory are not in its resources; the template's annotations ``vtp/gpu-name`` and
    ``vtp/gpu-memory`` (a quantity) tell them.
    """
    limits = _container(template).get("resources", {}).get("limits", {})
    told = template.get("metadata", {}).get("annotations", {})
    count = sum(int(quantity(value)) for name, value in limits.items() if name.endswith("/gpu"))
    gpu = {"name": told.get("vtp/gpu-name", "GPU"), "memory_bytes": int(quantity(told.get("vtp/gpu-memory")))}
    return {
        "cpus": int(quantity(limits.get("cpu"))) or None,
        "memory_bytes": int(quantity(limits.get("memory"))) or None,
        "gpus": [gpu] * count,
    }


def _container(template: dict[str, Any]) -> dict[str, Any]:
    """The container of the training.

    Raises:
        ValueError: there is none.
    """
    for container in template["spec"]["containers"]:
        if container["name"] == CONTAINER:
            return dict(container)
    message = f"the pod template has no container called {CONTAINER}"
    raise ValueError(message)


def job(key: Key, spec: dict[str, Any], template: dict[str, Any], agent: str, backend_url: str) -> dict[str, Any]:
    """The Job of an attempt.

    Its pod is started once and never again: whether a failed attempt is worth another one, from which checkpoint, with
    which repair and where, is decided by the platform alone. A pod that is taken away ends the Job at once, whatever it
    says in its last seconds.
    """
    name = name_of(key, backend_url)
    labels = {LABEL_AGENT: agent, LABEL_JOB: key[0], LABEL_ATTEMPT: str(key[1]), "app.kubernetes.io/managed-by": "vtp-agent"}
    pod = copy.deepcopy(template)
    pod.setdefault("metadata", {})["labels"] = {**pod["metadata"].get("labels", {}), **labels}
    pod["spec"]["restartPolicy"] = "Never"
    volumes = [*pod["spec"].get("volumes", []), {"name": VOLUME, "secret": {"secretName": name, "defaultMode": 0o400}}]
    pod["spec"]["volumes"] = volumes
    _container(pod)
    for container in pod["spec"]["containers"]:
        if container["name"] == CONTAINER:
            mount = {"name": VOLUME, "mountPath": MOUNT, "readOnly": True}
            container["volumeMounts"] = [*container.get("volumeMounts", []), mount]
            container["env"] = [*container.get("env", []), {"name": "VTP_BACKEND_URL", "value": backend_url}]
    limit = (spec.get("limits") or {}).get("max_duration_s")
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "backoffLimit": 0,
            "completions": 1,
            "parallelism": 1,
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": {
                "rules": [
                    {"action": "FailJob", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
                    {
                        "action": "FailJob",
                        "onExitCodes": {"containerName": CONTAINER, "operator": "NotIn", "values": [0]},
                    },
                ]
            },
            "ttlSecondsAfterFinished": KEPT_SECONDS,
            **({"activeDeadlineSeconds": int(limit) + SPARE_SECONDS} if limit else {}),
            "template": pod,
        },
    }


def secret(spec: dict[str, Any], owner: dict[str, Any]) -> dict[str, Any]:
    """The Secret with the assignment, which holds the attempt's token; it goes with its Job `owner`."""
    meta = owner["metadata"]
    reference = {"apiVersion": "batch/v1", "kind": "Job", "name": meta["name"], "uid": meta["uid"], "controller": True}
    content = base64.b64encode(json.dumps(spec).encode()).decode()
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {"name": meta["name"], "labels": meta["labels"], "ownerReferences": [reference]},
        "data": {"spec.json": content},
    }


def spec_in(found: dict[str, Any]) -> dict[str, Any]:
    """The assignment in a Secret."""
    spec: dict[str, Any] = json.loads(base64.b64decode(found["data"]["spec.json"]))
    return spec
