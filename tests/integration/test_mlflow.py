"""Trainings in a real MLflow server, and what comes of it when that is away, slow, hung, full or killed."""

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import update

from app.api.deps import Platform
from app.clients import mlflow as module
from app.config import Settings
from app.core.errors import PlatformError
from app.core.timing import TestTiming
from app.db.mlflow import MlflowRun
from app.main import create_app
from app.services import dependencies
from app.services.degradation import MEANS
from app.services.mlflow_runs import MlflowRuns
from app.services.views import stamp
from tests.conftest import Clock, TrainerService, classification_zip, register_agent
from tests.integration.faults_table import Record
from tests.integration.mlflow_server import LOGIN, PASSWORD, Mlflow, mlflow_server
from tests.integration.proxy import FaultProxy, fault_proxy, http_answer
from tests.running import SKLEARN, running
from tests.waiting import eventually

__all__ = ["mlflow_server"]
JOBS = "/api/v1/training-jobs"
BODY: dict[str, Any] = {"model": "yolo11n", "dataset_id": "test-dataset", "epochs": 9, "settings": {"fliplr": 0.5}}
NEVER = 3600.0
"""Seconds after which the follower looks by itself: these tests say when."""


@pytest.fixture
def proxy(mlflow_server: Mlflow) -> Iterator[FaultProxy]:
    """What stands between the backend and MLflow."""
    with fault_proxy(mlflow_server.port) as found:
        yield found


@pytest.fixture
def settings(settings: Settings, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A backend that tells MLflow, in an experiment of its own."""
    for name, value in LOGIN.items():
        monkeypatch.setenv(name, value)
    experiment = f"of {settings.home.parent.name}"
    return settings.model_copy(update={"mlflow_tracking_uri": proxy.url, "mlflow_experiment": experiment})


def patient(settings: Settings, clock: Clock) -> FastAPI:
    """A backend whose follower looks when it is told to."""
    app = create_app(settings, clock)
    app.state.platform.base_url = "http://backend.test"
    app.state.platform.mlflow.every = NEVER
    return app


@pytest.fixture
async def app(settings: Settings, clock: Clock) -> AsyncIterator[FastAPI]:
    found = patient(settings, clock)
    async with found.router.lifespan_context(found):
        yield found


class Store:
    """The MLflow server as somebody else's client sees it, past the proxy."""

    def __init__(self, server: Mlflow, experiment: str) -> None:
        from mlflow.tracking import MlflowClient

        self.client, self.experiment = MlflowClient(server.url), experiment

    def runs(self) -> list[Any]:
        """All runs of this test's experiment."""
        found = self.client.get_experiment_by_name(self.experiment)
        return list(self.client.search_runs([found.experiment_id])) if found else []

    def run(self) -> Any:
        """The one run that there is."""
        (found,) = self.runs()
        return found

    def epochs(self, name: str = "metrics/mAP50B") -> list[tuple[int, float]]:
        """Every point of a metric, in the order of the steps, also those that are there twice."""
        history = self.client.get_metric_history(self.run().info.run_id, name)
        return sorted((point.step, point.value) for point in history)


@pytest.fixture
def store(mlflow_server: Mlflow, settings: Settings) -> Store:
    return Store(mlflow_server, settings.mlflow_experiment)


class Training:
    """A job whose agent is this test."""

    def __init__(self, client: httpx.AsyncClient, job_id: str, token: str) -> None:
        self.client, self.job_id = client, job_id
        self.headers = {"Authorization": f"Bearer {token}"}
        self.seq = self.epoch = 0

    async def tell(self, **told: Any) -> float:
        """One update; the seconds that the backend took for it."""
        self.seq += 1
        body = {"attempt": 1, "seq": self.seq, "status": "running", **told}
        began = time.monotonic()
        answer = await self.client.post(f"{JOBS}/{self.job_id}/callback", json=body, headers=self.headers)
        assert answer.status_code == 200, answer.text
        return time.monotonic() - began

    async def train(self, epochs: int) -> float:
        """Further epochs of two steps each; the longest that the backend kept it waiting."""
        longest = 0.0
        for _ in range(epochs):
            self.epoch += 1
            inside = {"epoch": self.epoch, "step": 1, "steps": 2, "losses": {"train/box": 1 / self.epoch}}
            over = {"epoch": self.epoch, "epoch_end": True, "lr": 0.01, "metrics": {"metrics/mAP50(B)": self.epoch / 10}}
            longest = max(longest, await self.tell(progress=inside), await self.tell(progress=over))
        return longest

    async def keep(self, name: str, role: str, content: bytes) -> None:
        """Uploads a file."""
        headers = {**self.headers, "X-Content-SHA256": hashlib.sha256(content).hexdigest(), "X-Artifact-Role": role}
        url = f"{JOBS}/{self.job_id}/attempts/1/artifacts/{name}"
        answer = await self.client.put(url, content=content, headers=headers)
        assert answer.status_code == 201, answer.text

    async def succeed(self) -> float:
        """The end."""
        return await self.tell(status="succeeded", result={"metrics": {"metrics/mAP50(B)": 0.9}, "epochs": self.epoch})

    async def shown(self) -> dict[str, Any]:
        """What its page says of MLflow."""
        return dict((await self.client.get(f"{JOBS}/{self.job_id}")).json()["mlflow"])


Begin = Callable[[], Any]


@pytest.fixture
async def begin(client: httpx.AsyncClient, trainer_service: TrainerService, platform: Platform) -> Begin:
    """Starts a training."""
    await register_agent(platform, trainer_service.url, slots=4)

    async def make() -> Training:
        job_id = (await client.post(JOBS, json=BODY)).json()["job_id"]
        spec = next(spec for spec in trainer_service.specs if spec["job_id"] == job_id)
        training = Training(client, job_id, spec["token"])
        await training.tell(phase="training")
        return training

    return make


@pytest.fixture
def follower(platform: Platform) -> MlflowRuns:
    assert platform.mlflow is not None
    return platform.mlflow


async def test_a_training_is_one_run_with_its_parameters_curves_files_and_model(
    begin: Begin, follower: MlflowRuns, store: Store
) -> None:
    training = await begin()
    await training.train(2)
    await follower.round()
    run = store.run()
    assert run.info.status == "RUNNING"
    assert run.data.params["settings.fliplr"] == "0.5"
    assert (run.data.params["model"], run.data.params["epochs"], run.data.params["dataset_id"]) == (
        "yolo11n",
        "9",
        "test-dataset",
    )
    assert (await training.shown())["state"] == "following"

    await training.train(1)
    await training.keep("confusion_matrix.png", "plot", b"a picture")
    await training.keep("best.pt", "weights", b"the weights")
    await training.keep("epoch.pt", "checkpoint", b"of use here only")
    await training.succeed()
    await follower.round()

    run = store.run()
    assert run.info.status == "FINISHED"
    assert store.epochs() == [(1, 0.1), (2, 0.2), (3, 0.3)]
    assert [step for step, _ in store.epochs("step/train/box")] == [1, 3, 5]
    assert [found.path for found in store.client.list_artifacts(run.info.run_id, "plots")] == ["plots/confusion_matrix.png"]
    (model,) = run.outputs.model_outputs
    files = [found.path for found in store.client.list_logged_model_artifacts(model.model_id)]
    assert sorted(files) == ["MLmodel", "best.pt"]
    shown = await training.shown()
    assert (shown["state"], shown["waiting"], shown["gap"], shown["given_up"]) == ("complete", 0, None, 0)
    assert shown["url"].endswith(run.info.run_id)


async def test_runs_of_failed_and_cancelled_trainings_are_closed_as_that(
    begin: Begin, follower: MlflowRuns, store: Store, client: httpx.AsyncClient
) -> None:
    failed, cancelled = await begin(), await begin()
    error = {"type": "permanent", "code": "MODEL_DATA_MISMATCH", "message": "no", "details": {}}
    await failed.tell(status="failed", error=error)
    await client.post(f"{JOBS}/{cancelled.job_id}/cancel")
    await cancelled.tell(status="cancelled")
    await follower.round()
    runs = {run.data.tags["vtp.job_id"]: run for run in store.runs()}
    assert runs[failed.job_id].info.status == "FAILED"
    assert runs[failed.job_id].data.tags["vtp.code"] == "MODEL_DATA_MISMATCH"
    assert "MODEL_DATA_MISMATCH" in runs[failed.job_id].data.tags["mlflow.note.content"]
    assert runs[cancelled.job_id].info.status == "KILLED"


@dataclass(frozen=True, slots=True)
class Fault:
    """A way in which MLflow fails: how that is done and undone, and what a user is told that MLflow does."""

    begin: Callable[[Mlflow, FaultProxy], object]
    end: Callable[[Mlflow, FaultProxy], object]
    reason: str


def through_proxy(begin: Callable[[FaultProxy], object], reason: str) -> Fault:
    """A fault of the connection."""
    return Fault(lambda _, proxy: begin(proxy), lambda _, proxy: proxy.heal(), reason)


def answered(status: str, **headers: str) -> Callable[[FaultProxy], object]:
    """Every request is answered like this, for longer than it is tried."""
    body = b'{"error_code": "TEMPORARILY_UNAVAILABLE", "message": "later"}'

    def begin(proxy: FaultProxy) -> None:
        proxy.faults.answers = [http_answer(status, body, "application/json", **headers) for _ in range(50)]

    return begin


def garbage(proxy: FaultProxy) -> None:
    """Another program listens there."""
    proxy.faults.garbage = b"SSH-2.0-OpenSSH_9.2\r\n"
    proxy.reset()


def password(value: str) -> Callable[[Mlflow, FaultProxy], object]:
    """With this the backend presents itself."""
    return lambda _server, _proxy: os.environ.__setitem__("MLFLOW_TRACKING_PASSWORD", value)


FAULTS = {
    "refused": through_proxy(FaultProxy.refuse, "refuses the connection"),
    "black hole": through_proxy(FaultProxy.hold, "does not answer"),
    "killed and restarted": Fault(lambda server, _: server.kill(), lambda server, _: server.start(), "cuts the connection"),
    "full": Fault(lambda server, _: server.fill(), lambda server, _: server.fill(yes=False), "fails inside (503)"),
    "5xx": through_proxy(answered("503 Service Unavailable"), "fails inside (503)"),
    "429 with Retry-After": through_proxy(answered("429 Too Many Requests", Retry_After="7"), "has too many requests (429)"),
    "garbage answer": through_proxy(garbage, "sends answers that are not of MLflow"),
    "wrong credentials": Fault(password("wrong"), password(PASSWORD), "refuses the user name, password or token (401)"),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_an_outage_costs_a_training_nothing_and_all_arrives_in_order_once_it_is_over(
    fault: str, begin: Begin, follower: MlflowRuns, store: Store, mlflow_server: Mlflow, proxy: FaultProxy, clock: Clock,
    record_fault: Record, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORD)  # put back afterwards, whatever happens
    failing = FAULTS[fault]
    training = await begin()
    await training.train(2)
    await follower.round()
    failing.begin(mlflow_server, proxy)
    if fault == "black hole":
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
        monkeypatch.setattr(module, "PROBE_SECONDS", 1)
    try:
        telling = asyncio.create_task(follower.round())
        seconds = await training.train(3)
        await telling
        began = clock.now
        await follower.round()
        shown = await training.shown()
        assert (shown["state"], shown["waiting"]) == ("behind", 6)
        assert shown["reason"] == failing.reason
        assert shown["gap"] == {"since": ANY, "until": None, "points": 0}
    finally:
        failing.end(mlflow_server, proxy)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    assert store.epochs() == [(1, 0.1), (2, 0.2)]

    clock.move(60)
    await training.train(1)
    await follower.round()

    shown = await training.shown()
    assert (shown["state"], shown["waiting"], shown["reason"]) == ("following", 0, None)
    assert shown["gap"]["since"] == stamp(began)
    assert shown["gap"]["until"] == stamp(clock.now)
    assert shown["gap"]["points"] > 0
    await training.succeed()
    await follower.round()
    assert store.run().info.status == "FINISHED"
    assert store.epochs() == [(number, number / 10) for number in range(1, 7)]
    saw = (
        f"The training went on; the job's `mlflow` in the interface said that it {failing.reason}, how many figures wait, "
        "and when the gap ended."
    )
    did = "Kept the figures with the job; when asked again, sent all in order and none twice."
    record_fault("MLflow", fault, "MLFLOW_UNAVAILABLE", saw, did, seconds)


@pytest.mark.skipif(not SKLEARN.exists(), reason="the scikit-learn trainer's environment is not installed")
async def test_a_real_training_takes_the_same_steps_to_the_same_weights_while_mlflow_hangs(
    mlflow_server: Mlflow, tmp_path: Path
) -> None:
    config = {"framework": "sklearn", "model": "sgd-linear", "dataset_id": "tiny", "epochs": 6, "batch_size": 2, "seed": 3}
    environment = {**LOGIN, "MLFLOW_TRACKING_URI": mlflow_server.url, "MLFLOW_EXPERIMENT_NAME": f"real {tmp_path.name}"}
    found = []
    async with running(tmp_path / "real", **environment) as real:
        await real.add_dataset("tiny", classification_zip())
        try:
            for hangs in (False, True):
                mlflow_server.freeze(yes=hangs)
                job = await real.wait_for(await real.submit(**config), "succeeded", "failed")
                path = f"{JOBS}/{job['job_id']}"
                epochs = (await real.ask("GET", f"{path}/metrics")).json()["items"]
                files = (await real.ask("GET", f"{path}/artifacts")).json()["items"]
                told = [(epoch["epoch"], epoch["losses"], epoch["metrics"]) for epoch in epochs]
                weights = [file["sha256"] for file in files if file["role"] == "weights"]
                found.append((job["status"], job["progress"]["step"], told, weights))
            waiting = (await real.job(job["job_id"]))["mlflow"]["waiting"]
        finally:
            mlflow_server.freeze(yes=False)
    assert found[0] == found[1]
    assert (found[1][0], len(found[1][2]), len(found[1][3])) == ("succeeded", 6, 2)
    assert waiting >= 6, "MLflow had been told nothing of the second"


async def test_a_server_that_asks_to_be_left_alone_is_asked_again_but_not_before(
    begin: Begin, follower: MlflowRuns, store: Store, proxy: FaultProxy, clock: Clock, no_waiting: TestTiming
) -> None:
    training = await begin()
    await training.train(1)
    await follower.round()
    answered("429 Too Many Requests", Retry_After="90")(proxy)
    answers = proxy.faults.answers
    before = len(answers)
    await training.train(1)
    await follower.round()
    assert len(answers) == before - 1, "one question, one refusal: no try more"
    clock.move(89.9)
    await training.train(1)
    await follower.round()
    assert len(answers) == before - 1
    assert ((await training.shown())["state"], (await training.shown())["waiting"]) == ("behind", 4)
    clock.move(0.2)
    await follower.round()
    assert len(answers) == before - 2, "its time is over: it is asked, and asks for another 90 s"
    proxy.heal()
    clock.move(90.1)
    await follower.round()
    assert (await training.shown())["state"] == "following"
    assert store.epochs() == [(1, 0.1), (2, 0.2), (3, 0.3)]
    assert no_waiting.waits == []


async def test_who_only_looks_whether_a_server_is_there_heeds_and_passes_on_what_it_asks(
    begin: Begin, follower: MlflowRuns, store: Store, proxy: FaultProxy, clock: Clock
) -> None:
    training = await begin()
    answered("429 Too Many Requests", Retry_After="90")(proxy)
    before = len(proxy.faults.answers)
    for _ in range(2):
        with pytest.raises(PlatformError):
            await follower.client.version()
    await training.train(1)
    await follower.round()
    shown = await training.shown()
    assert (shown["state"], shown["reason"]) == ("behind", "has too many requests (429)")
    assert len(proxy.faults.answers) == before - 1
    proxy.heal()
    clock.move(90.1)
    await follower.round()
    assert (await training.shown())["state"] == "following"
    assert store.epochs() == [(1, 0.1)]


async def test_an_answer_that_is_lost_stores_nothing_twice(
    begin: Begin, follower: MlflowRuns, store: Store, proxy: FaultProxy, record_fault: Record
) -> None:
    training = await begin()
    await training.train(1)
    await follower.round()
    seconds = await training.train(3)
    proxy.faults.cut_at = b"log-batch"
    await follower.round()
    assert proxy.faults.cut_at is None
    assert store.epochs() == [(number, number / 10) for number in range(1, 5)]
    assert (await training.shown())["gap"] is None
    did = "Sent the same figures again; what MLflow had stored already is there once."
    record_fault("MLflow", "reset in mid-answer", None, "Nothing of it.", did, seconds)


async def test_a_slow_server_only_comes_later(
    begin: Begin, follower: MlflowRuns, store: Store, proxy: FaultProxy, record_fault: Record
) -> None:
    training = await begin()
    proxy.faults.latency = 0.1
    telling = asyncio.create_task(follower.round())
    seconds = await training.train(4)
    await telling
    await follower.round()
    assert seconds < 0.5
    assert store.epochs() == [(number, number / 10) for number in range(1, 5)]
    record_fault(
        "MLflow", "slow", None, "Curves in MLflow come later.", "Waited for each answer; the training did not.", seconds
    )


async def test_after_a_restart_it_goes_on_where_it_was_and_finds_its_run_again(
    begin: Begin, follower: MlflowRuns, store: Store, proxy: FaultProxy, settings: Settings, clock: Clock, app: FastAPI
) -> None:
    training = await begin()
    await training.train(1)
    await follower.round()
    # As if the backend had died between making the run and noting it.
    await follower.db.write(lambda session: session.execute(update(MlflowRun).values(url=None)))
    proxy.refuse()
    await training.train(2)
    await training.succeed()
    await follower.round()
    assert (await training.shown())["state"] == "behind"

    restarted = patient(settings, clock)
    async with restarted.router.lifespan_context(restarted):
        proxy.heal()
        await restarted.state.platform.mlflow.round()
        assert store.run().info.status == "FINISHED"
        assert store.epochs() == [(1, 0.1), (2, 0.2), (3, 0.3)]


async def test_more_than_the_journal_holds_is_given_up_from_the_oldest_training_and_said(
    begin: Begin, follower: MlflowRuns, store: Store, proxy: FaultProxy
) -> None:
    follower.journal = 7
    proxy.refuse()
    older, newer = await begin(), await begin()
    await older.train(4)
    await newer.train(2)
    await follower.round()
    kept, told = await newer.shown(), await older.shown()
    assert (kept["waiting"], kept["given_up"]) == (5, 0)
    assert (told["waiting"], told["given_up"]) == (2, 7)

    proxy.heal()
    await older.succeed()
    await follower.round()
    runs = {run.data.tags["vtp.job_id"]: run for run in store.runs()}
    assert runs[older.job_id].data.tags["vtp.updates_given_up"] == "7"
    history = store.client.get_metric_history(runs[older.job_id].info.run_id, "metrics/mAP50B")
    assert [point.step for point in history] == [4]


async def test_a_run_that_somebody_deleted_is_left_alone_and_the_others_go_on(
    begin: Begin, follower: MlflowRuns, store: Store
) -> None:
    deleted = await begin()
    await deleted.train(1)
    await follower.round()
    store.client.delete_run(store.run().info.run_id)
    other = await begin()
    await deleted.train(1)
    await other.train(1)
    await follower.round()
    shown = await deleted.shown()
    assert shown["state"] == "refused"
    assert "does not take it" in shown["reason"]
    assert (await other.shown())["state"] == "following"
    assert store.epochs() == [(1, 0.1)]


async def test_the_list_of_dependencies_tells_its_version_that_it_is_away_and_that_it_is_back(
    client: httpx.AsyncClient, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dependencies, "FRESH_SECONDS", 0.1)
    monkeypatch.setattr(dependencies, "AWAY_SECONDS", 0.1)

    async def seen(*, reachable: bool) -> dict[str, Any]:
        async def look() -> dict[str, Any] | None:
            items = (await client.get("/api/v1/system/dependencies")).json()["items"]
            item = next(item for item in items if item["name"] == "mlflow")
            return item if item["reachable"] is reachable else None

        found: dict[str, Any] = await eventually(look, 30, f"reachable: {reachable}", 0.05)
        return found

    there = await seen(reachable=True)
    assert (there["configured"], there["degraded"]) == ("server", None)
    assert there["version"][0].isdigit()
    proxy.refuse()
    away = await seen(reachable=False)
    assert away["degraded"] == MEANS["mlflow"]
    assert (away["last_error"]["code"], away["version"]) == ("MLFLOW_UNAVAILABLE", there["version"])
    ready = await client.get("/api/v1/system/health/ready")
    assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
    assert "mlflow" in ready.json()["degraded"]
    proxy.heal()
    assert (await seen(reachable=True))["degraded"] is None
