"""Trainings as Jobs: a real backend, the real agent in its Kubernetes mode, real trainings in the pods of a cluster that is
played here (`tests.trainers.agent.kubernetes.cluster`)."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.conftest import classification_zip
from tests.running import EVERY, JOBS, SKLEARN, RunningPlatform
from tests.trainers.agent.kubernetes.cluster import FakeCluster
from tests.waiting import eventually
from trainers.agent.kubernetes.manifest import name_of

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(not SKLEARN.exists(), reason="the scikit-learn trainer's environment is not installed"),
]
POD = {
    "metadata": {"labels": {"app": "vtp"}},
    "spec": {
        "containers": [
            {
                "name": "attempt",
                "image": "vtp:1",
                "args": ["python", "-m", "trainers.agent.kubernetes.pod"],
                "env": [{"name": "VTP_GRACE_SECONDS", "value": "5"}],
                "resources": {"limits": {"cpu": "1", "memory": "2Gi"}},
            }
        ]
    },
}
CONFIG = {
    "framework": "sklearn",
    "model": "sgd-linear",
    "dataset_id": "tiny",
    "epochs": 2,
    "batch_size": 2,
    "image_size": 16,
}
SLOW = {**CONFIG, "epochs": 16, "settings": {"images_per_s_limit": 20}}


class Place:
    """A platform whose agent has a cluster."""

    def __init__(self, platform: RunningPlatform, cluster: FakeCluster) -> None:
        self.platform, self.cluster = platform, cluster

    def name(self, job_id: str, attempt: int = 1) -> str:
        return name_of((job_id, attempt), self.platform.url)

    async def epoch_reached(self, job_id: str, epoch: int) -> None:
        query = "select max(epoch) from artifacts where job_id=? and role='checkpoint'"
        await eventually(
            lambda: (self.platform.rows(query, job_id)[0][0] or 0) >= epoch, 60, f"epoch {epoch} of {job_id}", EVERY
        )

    async def ended(self, job_id: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """The job at its end, and its attempts; back-off is cut short."""

        async def over() -> dict[str, Any] | None:
            job = await self.platform.job(job_id)
            if job["status"] == "waiting":
                await self.platform.ask("POST", f"{JOBS}/{job_id}/run-now")
            return job if job["status"] in ("succeeded", "failed", "cancelled") else None

        return await eventually(over, 90, f"the end of {job_id}", EVERY), await self.platform.attempts(job_id)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    folder = tmp_path_factory.mktemp("kubernetes")
    (folder / "pod.json").write_text(json.dumps(POD))
    (folder / "pods").mkdir()
    cluster = FakeCluster(folder / "pods")
    options = ("--kubernetes", str(folder / "pod.json"))
    environment = {"VTP_KUBERNETES_URL": cluster.url, "VTP_HEARTBEAT_SECONDS": "5"}
    platform = RunningPlatform(folder / "home", slots=2, agent_options=options, **environment)
    try:
        await platform.up()
        await platform.add_dataset("tiny", classification_zip())
        yield Place(platform, cluster)
    finally:
        await platform.down()
        cluster.close()


async def test_a_training_runs_as_a_job_to_its_weights_and_leaves_nothing_in_the_cluster(place: Place) -> None:
    (agent,) = (await place.platform.ask("GET", "/api/v1/agents")).json()["items"]
    assert (agent["resources"]["platform"], agent["resources"]["memory_bytes"]) == (
        "Kubernetes, namespace default",
        2 * 2**30,
    )
    job_id = await place.platform.submit(**CONFIG)
    job, attempts = await place.ended(job_id)
    assert (job["status"], len(attempts), job["result"]["epochs"]) == ("succeeded", 1, 2), job["error"]
    made = [one for one in place.cluster.seen if one["metadata"]["name"] == place.name(job_id)]
    assert [one["kind"] for one in made] == ["Job", "Secret"]
    await eventually(lambda: not any(place.cluster.objects.values()), 20, "an empty cluster", EVERY)


async def test_a_container_that_is_killed_for_its_memory_is_repaired_as_any_other_lack_of_memory(place: Place) -> None:
    job_id = await place.platform.submit(**{**SLOW, "epochs": 12})
    await place.epoch_reached(job_id, 1)
    place.cluster.kill_for_memory(place.name(job_id))
    job, attempts = await place.ended(job_id)
    assert job["status"] == "succeeded", job["error"]
    assert attempts[0]["error"]["code"] == "HOST_OOM"
    # What is made smaller, training or validation, hangs on what it was doing.
    assert attempts[0]["decision"]["action"] == "repair"
    assert attempts[1]["config"] != attempts[0]["config"]


async def test_an_evicted_pod_writes_a_checkpoint_and_the_next_one_goes_on_from_it(place: Place) -> None:
    job_id = await place.platform.submit(**SLOW)
    await place.epoch_reached(job_id, 1)
    place.cluster.evict(place.name(job_id))
    job, attempts = await place.ended(job_id)
    assert job["status"] == "succeeded", job["error"]
    assert attempts[0]["error"]["code"] == "JOB_PREEMPTED"
    assert attempts[1]["resumed_from"]["epoch"] >= 1


async def test_an_agent_that_is_killed_finds_its_jobs_again_and_a_cancelled_one_ends(place: Place) -> None:
    job_id = await place.platform.submit(**{**SLOW, "epochs": 300})
    await place.epoch_reached(job_id, 1)
    place.platform.restart("agent")
    await place.epoch_reached(job_id, 3)
    await place.platform.ask("POST", f"{JOBS}/{job_id}/cancel")
    job, attempts = await place.ended(job_id)
    assert (job["status"], len(attempts)) == ("cancelled", 1)
    await eventually(lambda: not any(place.cluster.objects.values()), 20, "an empty cluster", EVERY)


async def test_a_cluster_that_refuses_or_is_away_is_told_as_such(place: Place) -> None:
    place.cluster.fault = (403, "Forbidden")
    try:
        job, attempts = await place.ended(await place.platform.submit(**CONFIG))
    finally:
        place.cluster.fault = None
    assert (job["status"], attempts[0]["error"]["code"]) == ("failed", "DEPENDENCY_ERROR")
