"""MLflow on the page of a job, in a real Chromium, while MLflow's real server is away and when it comes back."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browsing import Client, Platform
from tests.e2e.chromium import MARKS, clean_in_both_themes
from tests.e2e.standin import NAME, StandIn, epoch
from tests.integration.mlflow_server import LOGIN, Mlflow, skip_without

pytestmark = [*MARKS, pytest.mark.slow]
PATIENCE_MS = 60_000
"""Longer than the longest pause in which the platform asks an MLflow that is away."""
EPOCHS = 4


@pytest.fixture(scope="module")
def mlflow() -> Iterator[Mlflow]:
    """A server that is still to be started."""
    skip_without()
    server = Mlflow(start=False)
    yield server
    server.close()


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, mlflow: Mlflow) -> Iterator[Platform]:
    """`vtp up` with an MLflow. It is patient: an attempt that waits for a server's start says nothing meanwhile."""
    settings = {"MLFLOW_TRACKING_URI": mlflow.url, "VTP_HEARTBEAT_SECONDS": "60", **LOGIN}
    running = Platform(tmp_path_factory.mktemp("home"), **settings)
    yield running
    running.stop()


@pytest.fixture
def agent(context: object, platform: Platform) -> Iterator[StandIn]:
    made = StandIn(platform.address, platform.home)
    yield made
    made.close()


def test_the_page_shows_what_waits_for_mlflow_the_gap_and_its_end(
    page: Page, platform: Platform, client: Client, agent: StandIn, mlflow: Mlflow, shots: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    job_id = client.start(framework=NAME, model="stand-in", dataset_id="digits-classify", epochs=EPOCHS, batch_size=32)
    attempt = agent.attempt(job_id)
    attempt.tell({"phase": "training"}, *(epoch(number, EPOCHS, 1 / number, number / 10) for number in (1, 2)))
    page.goto(f"{platform.address}/jobs/{job_id}")
    card = page.get_by_role("region", name="MLflow")
    expect(card.get_by_role("status")).to_have_text("Waiting for MLflow", timeout=PATIENCE_MS)
    expect(card).to_contain_text("MLflow refuses the connection. 3 updates wait since")
    expect(card).to_contain_text("Nothing is lost")
    expect(card.get_by_role("link")).to_have_count(0)
    clean_in_both_themes(page, "job-mlflow-away", shots)

    mlflow.start()
    expect(card.get_by_role("status")).to_have_text("Up to date", timeout=PATIENCE_MS)
    expect(card).to_contain_text("Gap from")
    expect(card).to_contain_text("8 figures came late, in order.")
    clean_in_both_themes(page, "job-mlflow-back", shots)
    run = str(card.get_by_role("link", name="Open the run in MLflow").get_attribute("href"))
    attempt.tell(epoch(3, EPOCHS, 1 / 3, 0.3))
    attempt.tell({"status": "succeeded", "result": {"metrics": {"metrics/mAP50(B)": 0.3}, "epochs": 3}})
    expect(card.get_by_role("status")).to_have_text("All there", timeout=PATIENCE_MS)
    clean_in_both_themes(page, "job-mlflow-complete", shots)
    for name, value in LOGIN.items():
        monkeypatch.setenv(name, value)
    assert told(mlflow, run) == [(1, 0.1), (2, 0.2), (3, 0.3)]


def told(mlflow: Mlflow, run: str) -> list[tuple[int, float]]:
    """The points of a metric that MLflow has, in order."""
    from mlflow.tracking import MlflowClient

    history = MlflowClient(mlflow.url).get_metric_history(run.rpartition("/")[2], "metrics/mAP50B")
    return sorted((point.step, point.value) for point in history)
