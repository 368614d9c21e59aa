"""The agent of a node pool, on a cluster whose pods do not run: what it takes, what it refuses, what it tells."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.trainers.agent.kubernetes.cluster import FakeCluster
from tests.trainers.agent.kubernetes.test_manifest import TEMPLATE
from tests.trainers.fakes import KEY, FakeBackend, error_answer, spec_of, toy
from trainers.agent.agent import Refused
from trainers.agent.kubernetes.agent import KubernetesAgent
from trainers.agent.kubernetes.api import Access, Cluster
from trainers.agent.kubernetes.manifest import name_of
from trainers.agent.settings import AgentSettings

URL = "http://backend.test"
FAILED = {"type": "Failed", "status": "True", "reason": "PodFailurePolicy"}


class Scene:
    def __init__(self, folder: Path) -> None:
        self.cluster, self.fake = FakeCluster(folder), FakeBackend()
        self.cluster.runs = False
        self.framework = toy(folder / "trainers", "")
        self.agent = self.again()

    def again(self) -> KubernetesAgent:
        """A new agent for the same pool."""
        cluster = Cluster(Access(self.cluster.url, "ns"))
        return KubernetesAgent(cluster, TEMPLATE, self.fake.backend(), [self.framework], 1, "t4", AgentSettings())

    def end(self, state: dict[str, Any], key: tuple[str, int] = KEY) -> None:
        """The Job of an attempt has failed, its container in this state."""
        name = name_of(key, URL)
        self.cluster.objects["pods"][name]["status"] = {
            "phase": "Failed", "containerStatuses": [{"name": "attempt", "state": {"terminated": state}}],
        }  # fmt: skip
        self.cluster.objects["jobs"][name]["status"] = {"conditions": [FAILED]}


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    found = Scene(tmp_path)
    yield found
    await found.agent.close_after([], stop_trainings=False)
    found.cluster.close()


async def test_an_attempt_is_taken_once_and_no_more_than_there_are_slots(scene: Scene) -> None:
    assert await scene.agent.accept(spec_of()) is True
    assert await scene.agent.accept(spec_of()) is False
    with pytest.raises(Refused, match="no free slot") as caught:
        await scene.agent.accept(spec_of(job_id="J-2"))
    assert (caught.value.status, caught.value.code) == (409, "CONFLICT")
    assert [one["kind"] for one in scene.cluster.seen] == ["Job", "Secret"]
    assert scene.agent.description()["attempts"][0]["job_id"] == "J-1"


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ((503, ""), 503, "SERVICE_UNAVAILABLE"),
        ((429, "TooManyRequests"), 503, "SERVICE_UNAVAILABLE"),
        ((403, "Forbidden"), 422, "DEPENDENCY_ERROR"),
        ((403, "exceeded quota"), 409, "CONFLICT"),
    ],
)
async def test_what_the_cluster_says_decides_whether_to_wait_or_to_end(
    scene: Scene, fault: tuple[int, str], status: int, code: str
) -> None:
    scene.cluster.fault = fault
    with pytest.raises(Refused) as caught:
        await scene.agent.accept(spec_of())
    assert (caught.value.status, caught.value.code) == (status, code)
    assert scene.agent.held() == []


async def test_a_trainer_that_the_image_lacks_and_a_drained_pool_take_nothing(scene: Scene) -> None:
    with pytest.raises(Refused, match="no such trainer"):
        await scene.agent.accept(spec_of(framework="other"))
    scene.agent.drain(stop=False)
    with pytest.raises(Refused, match="no free slot"):
        await scene.agent.accept(spec_of())
    assert scene.agent.description()["slots"] == 0


async def test_an_end_is_told_with_its_evidence_and_the_job_goes(scene: Scene) -> None:
    await scene.agent.accept(spec_of())
    scene.end({"exitCode": 12, "reason": "Error"})
    scene.fake._take = lambda updates: scene.fake.updates.extend(updates) or _stored()  # type: ignore[method-assign]
    await scene.agent.look()
    (update,) = scene.fake.updates
    assert (update["status"], update["evidence"]["exit_code"], "seq" in update) == ("failed", 12, False)
    assert update["evidence"]["log"].startswith("log of vtp-j-1-1-")
    assert scene.cluster.objects == {"jobs": {}, "pods": {}, "secrets": {}}
    await scene.agent.look()
    assert scene.agent.held() == []


def _stored() -> Any:
    import httpx2

    return httpx2.Response(200, json={"accepted": 1, "last_seq": 1, "final": True})


async def test_a_new_agent_finds_the_jobs_of_the_one_before_and_tells_their_ends(scene: Scene) -> None:
    await scene.agent.accept(spec_of())
    other = scene.again()
    await other.look()
    assert [one["job_id"] for one in other.held()] == ["J-1"]
    scene.end({"exitCode": 137, "reason": "OOMKilled"})
    scene.fake.fault = lambda _: error_answer(503, "SERVICE_UNAVAILABLE")
    await other.look()
    assert scene.cluster.objects["jobs"], "a backend that is away hears of it later"
    assert [one["job_id"] for one in other.held()] == ["J-1"], "and until then it is not lost"
    scene.fake.fault = lambda _: _stored()
    await other.look()
    assert scene.cluster.objects["jobs"] == {}
    await other.close_after([], stop_trainings=False)


async def test_an_end_that_nobody_wants_to_hear_of_is_dropped(scene: Scene) -> None:
    await scene.agent.accept(spec_of())
    scene.end({"exitCode": 1})
    scene.fake.fault = lambda _: error_answer(401, "INVALID_TOKEN")
    await scene.agent.look()
    assert scene.cluster.objects["jobs"] == {}


async def test_a_stopped_attempt_loses_its_job_and_one_that_is_not_here_is_told_as_such(scene: Scene) -> None:
    await scene.agent.accept(spec_of())
    assert await scene.agent.stop(KEY, "cancel") is True
    assert scene.cluster.objects["jobs"] == {}
    assert await scene.agent.stop(("J-9", 1), "cancel") is False
