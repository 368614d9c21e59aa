"""All attempts of one machine, and the intake: taking, refusing, reporting, draining, adopting."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.trainers.fakes import KEY, FakeBackend, error_answer, reached, spec_of, toy
from trainers.agent import supervisor as supervisor_module
from trainers.agent.agent import Agent, claim
from trainers.agent.cgroup import Cgroups
from trainers.agent.service import application
from trainers.agent.settings import AgentSettings
from trainers.agent.start import keep_spec

BODY = "reporter.start(1)\nreporter.progress(epoch=1, step=1, steps=1)\nwhile True:\n    time.sleep(0.02)\n"
SETTINGS = AgentSettings(heartbeat=0.05, grace=2, poll=0.01)
AUTHORIZED = {"Authorization": "Bearer secret"}


class Scene:
    """An agent on a fake backend; `intake` speaks to it over HTTP."""

    def __init__(self, folder: Path, body: str = BODY, settings: AgentSettings = SETTINGS, slots: int = 1) -> None:
        self.fake = FakeBackend()
        self.framework = toy(folder / "trainers", body)
        self.folder, self.settings, self.slots = folder, settings, slots

    def agent(self) -> Agent:
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        found = Agent(home, self.fake.backend(), [self.framework], self.slots, "test", self.settings, Cgroups())
        found.url = "http://agent.test"
        return found

    @asynccontextmanager
    async def served(self, **options: Any) -> AsyncIterator[tuple[Agent, httpx2.AsyncClient]]:
        agent = self.agent()
        app = application(agent, "secret", **options)
        transport = httpx2.ASGITransport(app=app)
        async with (
            app.router.lifespan_context(app),
            httpx2.AsyncClient(transport=transport, base_url="http://agent.test", headers=AUTHORIZED) as intake,
        ):
            yield agent, intake


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def training(scene: Scene) -> Any:
    return lambda: any("progress" in update for update in scene.fake.updates)


async def end(agent: Agent) -> None:
    """Lets everything go."""
    for held in list(agent.supervisors.values()):
        held.release()
    await asyncio.gather(*agent.tasks.values())


async def test_the_same_attempt_twice_is_one(scene: Scene) -> None:
    async with scene.served() as (agent, intake):
        assert (await intake.post("/attempts", json=spec_of())).status_code == 202
        assert (await intake.post("/attempts", json=spec_of())).status_code == 200
        await reached(training(scene))
        items = (await intake.get("/attempts")).json()["items"]
        assert [(item["job_id"], item["attempt"], item["busy"]) for item in items] == [(*KEY, True)]
        await end(agent)


async def test_without_the_secret_nothing_is_let_in(scene: Scene) -> None:
    async with scene.served() as (_, intake):
        for method, path in (
            ("GET", "/attempts"),
            ("POST", "/attempts"),
            ("POST", "/attempts/J-1/1/cancel"),
            ("POST", "/drain"),
        ):
            answer = await intake.request(method, path, headers={"Authorization": "Bearer wrong"})
            assert answer.status_code == 401
            assert answer.json()["error"]["code"] == "INVALID_TOKEN"
        assert (await intake.get("/health", headers={"Authorization": ""})).status_code == 200


async def test_an_attempt_without_a_free_slot_or_a_trainer_is_refused(scene: Scene) -> None:
    async with scene.served() as (agent, intake):
        unknown = await intake.post("/attempts", json=spec_of(framework="caffe"))
        assert (unknown.status_code, unknown.json()["error"]["code"]) == (422, "DEPENDENCY_ERROR")
        await intake.post("/attempts", json=spec_of())
        full = await intake.post("/attempts", json=spec_of(job_id="J-2"))
        assert (full.status_code, full.json()["error"]["code"]) == (409, "CONFLICT")
        await end(agent)


async def test_an_assignment_that_cannot_be_stored_is_refused_as_a_full_disk(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("trainers.agent.agent.keep_spec", full)
    async with scene.served() as (agent, intake):
        answer = await intake.post("/attempts", json=spec_of())
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "DISK_FULL")
        assert agent.supervisors == {}


async def test_a_cancel_stops_an_attempt_and_an_unknown_one_is_not_found(scene: Scene) -> None:
    async with scene.served() as (agent, intake):
        assert (await intake.post("/attempts/J-9/1/cancel", json={})).status_code == 404
        await intake.post("/attempts", json=spec_of())
        await reached(training(scene))
        assert (await intake.post("/attempts/J-1/1/cancel", json={"reason": "cancel"})).status_code == 202
        await reached(lambda: not agent.supervisors)
        assert scene.fake.last["status"] == "cancelled"


async def test_reports_go_on_through_failures_and_carry_what_is_held(scene: Scene) -> None:
    reports: list[dict[str, Any]] = []

    def note(request: httpx2.Request) -> httpx2.Response | None:
        if request.url.path.startswith("/api/v1/agents/"):
            reports.append(json.loads(request.content))
            return error_answer(503, "SERVICE_UNAVAILABLE") if len(reports) == 1 else None
        return None

    scene.fake.fault = note
    async with scene.served() as (agent, intake):
        await intake.post("/attempts", json=spec_of())
        await reached(training(scene))
        count = len(reports)
        await reached(lambda: len(reports) > count + 3)
        held = reports[-1]["attempts"]
        assert [(item["job_id"], item["attempt"]) for item in held] == [KEY]
        assert held[0]["last_step_at"] is not None
        assert reports[-1]["resources"]["cgroup"]
        await end(agent)


async def test_what_the_backend_releases_is_killed(scene: Scene) -> None:
    async with scene.served() as (agent, intake):
        await intake.post("/attempts", json=spec_of())
        await reached(training(scene))
        process = agent.supervisors[KEY].process
        scene.fake.release = [{"job_id": KEY[0], "attempt": KEY[1]}]
        await reached(lambda: not agent.supervisors)
        assert not process.alive()


async def test_a_quick_restart_adopts_the_running_training(scene: Scene) -> None:
    async with scene.served() as (agent, intake):
        await intake.post("/attempts", json=spec_of())
        await reached(training(scene))
        name, pid = agent.id, agent.supervisors[KEY].process.pid
    async with scene.served() as (agent, _):
        assert agent.id == name
        assert agent.supervisors[KEY].process.pid == pid
        assert agent.supervisors[KEY].process.alive()
        await end(agent)


async def test_an_agent_that_is_to_stop_its_trainings_tells_of_the_preemption_before_it_ends(scene: Scene) -> None:
    async with scene.served(stop_trainings=True) as (_, intake):
        await intake.post("/attempts", json=spec_of())
        await reached(training(scene))
    assert scene.fake.last["status"] == "failed"
    assert scene.fake.last["evidence"]["killed_by"] == "shutdown"
    assert scene.fake.last["evidence"]["preemption_notice"] is True


async def test_a_drained_agent_takes_nothing_more_and_offers_no_slot(scene: Scene) -> None:
    async with scene.served() as (agent, intake):
        await intake.post("/attempts", json=spec_of())
        await reached(training(scene))
        assert (await intake.post("/drain")).status_code == 202
        assert agent.description()["slots"] == 0
        assert agent.supervisors[KEY].process.killed_by is None
        assert (await intake.post("/attempts", json=spec_of(job_id="J-2"))).status_code == 409
        assert (await intake.post("/drain", json={"stop": True})).status_code == 202
        await reached(lambda: not agent.supervisors)
        told = scene.fake.last["evidence"]
        assert told["killed_by"] == "shutdown"
        assert "preemption_notice" not in told


async def test_a_notice_file_stops_everything_as_a_preemption(tmp_path: Path) -> None:
    notice = tmp_path / "spot-notice"
    scene = Scene(tmp_path, settings=AgentSettings(heartbeat=0.05, grace=2, poll=0.01, notice_file=notice))
    async with scene.served() as (agent, intake):
        await intake.post("/attempts", json=spec_of())
        await reached(training(scene))
        notice.touch()
        await reached(lambda: not agent.supervisors)
        assert agent.draining
    assert scene.fake.last["evidence"]["preemption_by"] == "notice file spot-notice"


async def test_supervision_that_breaks_off_begins_again(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A training that nobody watches any more would be the one failure that is never told."""
    finish, broken = supervisor_module.Supervisor._finish, []

    def sometimes(self: Any) -> None:
        if not broken:
            broken.append(1)
            message = "a bug"
            raise RuntimeError(message)
        finish(self)

    monkeypatch.setattr(supervisor_module.Supervisor, "_finish", sometimes)
    monkeypatch.setattr("trainers.agent.agent.AGAIN_SECONDS", 0.01)
    scene.framework = toy(scene.folder / "trainers", "raise TrainingError('INVALID_CONFIG', 'x')")
    async with scene.served() as (agent, intake):
        await intake.post("/attempts", json=spec_of())
        await reached(lambda: scene.fake.updates and scene.fake.last["status"] == "failed")
        await reached(lambda: not agent.supervisors)
        assert agent.failures == 1
        assert (await intake.get("/health")).json()["failures"] == 1
    assert scene.fake.last["error"]["code"] == "INVALID_CONFIG"
    assert [update["seq"] for update in scene.fake.updates] == list(range(1, len(scene.fake.updates) + 1))


async def test_an_attempt_that_the_agent_cannot_start_ends_instead_of_running_for_ever(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(_self: Any) -> bool:
        message = "a bug"
        raise TypeError(message)

    monkeypatch.setattr(supervisor_module.Supervisor, "_start", never)
    monkeypatch.setattr("trainers.agent.agent.AGAIN_SECONDS", 0.01)
    async with scene.served() as (agent, intake):
        await intake.post("/attempts", json=spec_of())
        await reached(lambda: scene.fake.updates and scene.fake.last["status"] == "failed")
        await reached(lambda: not agent.supervisors)
    assert scene.fake.last["error"]["code"] == "SYSTEM_ERROR"
    assert "TypeError('a bug')" in scene.fake.last["error"]["message"]


async def test_an_attempt_whose_trainer_is_gone_is_dropped_at_adoption(scene: Scene) -> None:
    agent = scene.agent()
    keep_spec(agent.folder(KEY), spec_of(framework="gone"))
    agent.outbox.open(KEY)
    agent.adopt()
    assert agent.supervisors == {}
    assert agent.outbox.attempts() == []
    await agent.close()


async def test_a_folder_without_a_journal_is_swept_with_whatever_runs_in_it(scene: Scene) -> None:
    """The agent was killed just before it began the journal, or just after it closed it."""
    async with scene.served() as (agent, intake):
        await intake.post("/attempts", json=spec_of())
        await reached(training(scene))
        process = agent.supervisors[KEY].process
        agent.outbox.close_attempt(KEY)
        agent.tasks[KEY].cancel()
    keep_spec(scene.folder / "home" / "attempts" / "J-2" / "3", spec_of())
    async with scene.served() as (agent, _):
        assert agent.supervisors == {}
        await reached(lambda: not process.alive())
        assert list((scene.folder / "home" / "attempts").iterdir()) == []


def test_a_folder_has_one_agent(tmp_path: Path) -> None:
    assert claim(tmp_path) is not None
    assert claim(tmp_path) is None
