"""The Helm chart: rendered by the real helm, every object valid by Kubernetes' own schemas, and its parts fit together."""

import json
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from trainers.agent.kubernetes import manifest
from trainers.agent.options import parser

ROOT = Path(__file__).resolve().parents[2]
CHART, HELM = ROOT / "deploy" / "helm" / "vtp", ROOT / ".servers" / "helm" / "helm"
VERSIONS = ("1.31", "1.37")
"""The first that the chart is for, and the newest whose schemas are here."""
ADDRESSES = {"databaseUrl": "postgresql+asyncpg://vtp:pw@db/vtp", "storageUrl": "s3://objects/vtp"}
GPU_POOL = {
    "name": "t4", "slots": 8, "labels": {"zone": "eu"}, "nodeSelector": {"gpu": "t4"}, "dataCache": "vtp-data",
    "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}], "graceSeconds": 300, "sharedMemory": "8Gi",
    "resources": {"cpu": "4", "memory": "16Gi", "nvidia.com/gpu": 1}, "gpu": {"name": "Tesla T4", "memory": "16Gi"},
}  # fmt: skip
EVERYTHING = {
    **ADDRESSES,
    "nodePools": [{"name": "cpu", "slots": 2, "resources": {"cpu": "2", "memory": "4Gi"}}, GPU_POOL],
    "imagePullSecrets": [{"name": "registry"}],
    "env": {"VTP_RATE_LIMIT": "100/minute", "VTP_MAX_OPEN_JOBS": 7},
    "backend": {
        "publicUrl": "https://vtp.example",
        "nodeSelector": {"pool": "web"},
        "ingress": {"enabled": True, "className": "nginx", "host": "vtp.example", "tlsSecret": "tls"},
    },
    "networkPolicy": {
        "from": [{"namespaceSelector": {"matchLabels": {"ingress": "yes"}}}],
        "attemptsTo": [{"to": [{"ipBlock": {"cidr": "10.1.2.0/24"}}], "ports": [{"port": 443, "protocol": "TCP"}]}],
    },
}

pytestmark = pytest.mark.skipif(not HELM.exists(), reason="helm is not set up (make test)")


def helm(tmp_path: Path, values: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    (tmp_path / "values.json").write_text(json.dumps(values))
    home = {"HELM_CACHE_HOME": str(tmp_path), "HELM_CONFIG_HOME": str(tmp_path), "HELM_DATA_HOME": str(tmp_path)}
    command = [str(HELM), "template", "vtp", str(CHART), "--namespace", "ml", "--values", str(tmp_path / "values.json")]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=home, timeout=60)


def rendered(tmp_path: Path, values: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """The objects of the chart by kind and name."""
    done = helm(tmp_path, values)
    assert done.returncode == 0, done.stderr
    objects = [one for one in yaml.safe_load_all(done.stdout) if one]
    return {(one["kind"], one["metadata"]["name"]): one for one in objects}


@pytest.mark.parametrize("values", [ADDRESSES, EVERYTHING], ids=["little", "everything"])
def test_every_object_holds_against_kubernetes_own_schemas(tmp_path: Path, values: dict[str, Any]) -> None:
    objects = rendered(tmp_path, values)
    assert len(objects) >= 14
    for one in objects.values():
        for version in VERSIONS:
            kubernetes_validate.validate(one, version, strict=True)


def test_a_pools_pod_makes_valid_jobs_that_have_what_the_pool_says(tmp_path: Path) -> None:
    objects = rendered(tmp_path, EVERYTHING)
    template = json.loads(objects["ConfigMap", "vtp-agent-t4"]["data"]["pod.json"])
    job = manifest.job(("J-1", 1), {"limits": {}}, template, "k8s-ml-t4", "http://vtp-backend.ml.svc:80")
    for version in VERSIONS:
        kubernetes_validate.validate(job, version, strict=True)
    gpu = {"name": "Tesla T4", "memory_bytes": 16 * 2**30}
    assert manifest.resources(template) == {"cpus": 4, "memory_bytes": 16 * 2**30, "gpus": [gpu]}
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["resources"]["requests"] == container["resources"]["limits"], "nobody else's memory gets it evicted"
    assert (pod["nodeSelector"], pod["terminationGracePeriodSeconds"]) == ({"gpu": "t4"}, 300)
    assert {"name": "VTP_GRACE_SECONDS", "value": "280"} in container["env"]
    assert {mount["mountPath"] for mount in container["volumeMounts"]} >= {"/dev/shm", "/var/cache/vtp", manifest.MOUNT}


def test_an_agents_command_line_is_one_that_it_takes_and_leads_to_services_that_there_are(tmp_path: Path) -> None:
    objects = rendered(tmp_path, EVERYTHING)
    (container,) = objects["Deployment", "vtp-agent-t4"]["spec"]["template"]["spec"]["containers"]
    program, *arguments = container["args"]
    options = parser().parse_args(arguments)
    assert (program, options.name, options.slots, options.label) == ("vtp-agent", "t4", 8, [("zone", "eu")])
    assert options.backend_url == "http://vtp-backend.ml.svc:80"
    assert options.advertise_url == "http://vtp-agent-t4.ml.svc:8100"
    assert {("Service", "vtp-backend"), ("Service", "vtp-agent-t4")} <= objects.keys()


def test_selectors_find_the_pods_they_mean_and_no_others(tmp_path: Path) -> None:
    objects = rendered(tmp_path, EVERYTHING)
    pods = {
        key[1]: one["spec"]["template"]["metadata"]["labels"]
        for key, one in objects.items()
        if key[0] in ("Deployment", "Job")
    }
    pods["attempt"] = json.loads(objects["ConfigMap", "vtp-agent-cpu"]["data"]["pod.json"])["metadata"]["labels"]

    def found(selector: dict[str, str]) -> set[str]:
        return {name for name, labels in pods.items() if selector.items() <= labels.items()}

    assert found(objects["Service", "vtp-backend"]["spec"]["selector"]) == {"vtp-backend"}
    assert found(objects["Service", "vtp-agent-t4"]["spec"]["selector"]) == {"vtp-agent-t4"}
    assert found(objects["PodDisruptionBudget", "vtp-backend"]["spec"]["selector"]["matchLabels"]) == {"vtp-backend"}
    assert found(objects["NetworkPolicy", "vtp-attempts"]["spec"]["podSelector"]["matchLabels"]) == {"attempt"}
    assert found(objects["NetworkPolicy", "vtp-agents"]["spec"]["podSelector"]["matchLabels"]) == {
        "vtp-agent-cpu",
        "vtp-agent-t4",
    }


def test_attempts_reach_what_is_named_and_are_reached_by_nobody(tmp_path: Path) -> None:
    for values, ways in ((ADDRESSES, 2), (EVERYTHING, 3)):
        policy = rendered(tmp_path, values)["NetworkPolicy", "vtp-attempts"]["spec"]
        assert (policy["policyTypes"], len(policy["egress"]), "ingress" in policy) == (["Ingress", "Egress"], ways, False)


def test_the_agents_role_allows_what_its_client_asks_and_nothing_more(tmp_path: Path) -> None:
    rules = rendered(tmp_path, EVERYTHING)["Role", "vtp-agent"]["rules"]
    allowed = {(resource, verb) for rule in rules for resource in rule["resources"] for verb in rule["verbs"]}
    source = (ROOT / "trainers" / "agent" / "kubernetes" / "api.py").read_text()
    assert allowed == {
        ("jobs", "create"), ("jobs", "get"), ("jobs", "list"), ("jobs", "delete"), ("pods", "list"), ("pods/log", "get"),
        ("secrets", "create"), ("secrets", "get"),
    }  # fmt: skip
    assert source.count("self._call(") == 8, "one for each of these"


def test_what_the_pods_cannot_do_without_is_asked_for_in_words(tmp_path: Path) -> None:
    done = helm(tmp_path, {"databaseUrl": ADDRESSES["databaseUrl"]})
    assert done.returncode != 0
    assert "storageUrl is needed" in done.stderr
    done = helm(tmp_path, {**ADDRESSES, "databaseUrl": "sqlite:///x"})
    assert done.returncode != 0
    assert "databaseUrl" in done.stderr
    assert ("Secret", "vtp-secrets") not in rendered(tmp_path, {"existingSecret": "mine"})
