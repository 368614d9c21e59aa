"""The design document's chaos scenario with the Chaos Toolkit's library, against real processes: the trainer service goes
down, submitting answers 503 or 429, and afterwards everything is as before."""

import os
import signal
import time
import urllib.request
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from chaoslib.experiment import ensure_experiment_is_valid, run_experiment
from chaoslib.types import Strategy

from tests.conftest import classification_zip
from tests.running import EVERY, JOBS, SKLEARN, RunningPlatform, running
from tests.waiting import eventually, free_port

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.skipif(not SKLEARN.exists(), reason="the scikit-learn trainer's environment is not installed"),
    # The library's own: its settings loader and its thread pools.
    pytest.mark.filterwarnings("ignore::DeprecationWarning:chaoslib"),
]
HEADERS = {"Authorization": "Bearer token", "Content-Type": "application/json"}
BODY = {"framework": "sklearn", "model": "sgd-linear", "dataset_id": "tiny", "epochs": 1, "batch_size": 2}


@pytest.fixture
async def platform(tmp_path: Path) -> AsyncIterator[RunningPlatform]:
    async with running(tmp_path / "home", agent_options=("--port", str(free_port())), VTP_HEARTBEAT_SECONDS="1") as found:
        await found.add_dataset("tiny", classification_zip())
        PLATFORMS[str(found.home)] = found
        yield found
        del PLATFORMS[str(found.home)]


PLATFORMS: dict[str, RunningPlatform] = {}


def _agent_url(platform: RunningPlatform) -> str:
    return str(platform.rows("select url from agents")[0][0])


def send_signal(pid: int, number: int) -> bool:
    """An action of the experiments: sends a signal to a process."""
    os.kill(pid, number)
    return True


def start_process(home: str) -> bool:
    """An action of the experiments: starts the trainer service of a platform again and waits until it answers."""
    platform = PLATFORMS[home]
    platform.restart("agent")
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(_agent_url(platform) + "/health", timeout=1) as answer:
                return answer.status == 200
        except OSError:
            time.sleep(0.05)
    return False


def act(name: str, function: Callable[..., bool], **arguments: Any) -> dict[str, Any]:
    """The action that calls one of the functions above."""
    provider = {"type": "python", "module": __name__, "func": function.__name__, "arguments": arguments}
    return {"type": "action", "name": name, "provider": provider}


def ask(name: str, url: str, tolerance: Any, **more: Any) -> dict[str, Any]:
    """The probe that sends a request."""
    provider = {"type": "http", "url": url, "headers": HEADERS, "timeout": 30, **more}
    return {"type": "probe", "name": name, "tolerance": tolerance, "provider": provider}


def steady(platform: RunningPlatform) -> dict[str, Any]:
    """The backend is ready, and an agent can be reached that trains with scikit-learn."""
    return {
        "title": "the platform takes trainings",
        "probes": [
            ask("the backend is ready", f"{platform.url}/api/v1/system/health/ready", 200),
            ask("the trainer service answers", f"{_agent_url(platform)}/health", 200),
        ],
    }


def experiment(platform: RunningPlatform, **parts: Any) -> dict[str, Any]:
    """The document's experiment: the trainer service stops answering, somebody submits a training."""
    pid = platform.processes["agent"].pid
    submit = ask("submit a training", platform.url + JOBS, [503, 429], method="POST", arguments=BODY)
    found = {
        "title": "Trainer service down",
        "description": "Submitting is refused in the documented form while no trainer answers, and works again afterwards",
        "steady-state-hypothesis": steady(platform),
        "method": [act("stop the trainer service", send_signal, pid=pid, number=int(signal.SIGKILL)), submit],
        "rollbacks": [],
        **parts,
    }
    ensure_experiment_is_valid(found)
    return found


@pytest.fixture(autouse=True)
def quiet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library keeps its journal and log where the test runs."""
    monkeypatch.chdir(tmp_path)


async def test_trainer_service_down(platform: RunningPlatform) -> None:
    """Submitting answers 503 or 429 while the trainer service is down; the steady state holds before and afterwards."""
    wanted = experiment(platform)
    wanted["method"].append(act("start the trainer service", start_process, home=str(platform.home)))
    journal = _run(wanted)
    assert journal["status"] == "completed", journal
    assert journal["deviated"] is False
    # The library judges tolerances in the steady state only; what the method's own probe saw is judged here.
    (probe,) = [step for step in journal["run"] if step["activity"]["type"] == "probe"]
    assert probe["output"]["status"] in probe["activity"]["tolerance"]
    assert journal["steady_states"]["before"]["steady_state_met"] is True
    assert journal["steady_states"]["after"]["steady_state_met"] is True
    jobs = (await platform.ask("GET", JOBS)).json()["items"]
    assert [(job["status"], job["error"]["code"]) for job in jobs] == [("failed", "TRAINER_UNREACHABLE")]

    await eventually(lambda: _agent_alive(platform), 20, "the agent's next report", EVERY)
    job_id = await platform.submit(**BODY)
    assert (await platform.wait_for(job_id, "succeeded", "failed"))["status"] == "succeeded"


async def _agent_alive(platform: RunningPlatform) -> bool:
    return bool((await platform.ask("GET", "/api/v1/agents")).json()["items"][0]["alive"])


async def test_a_trainer_service_that_stays_down_is_noticed_as_a_deviation(platform: RunningPlatform) -> None:
    """The experiment can fail: without the trainer service the steady state does not hold afterwards."""
    wanted = experiment(platform)
    wanted["method"] = wanted["method"][:1]
    journal = _run(wanted)
    assert journal["deviated"] is True
    assert journal["status"] != "completed"
    assert journal["steady_states"]["after"]["steady_state_met"] is False


def _run(wanted: dict[str, Any]) -> dict[str, Any]:
    # In this very thread: the library takes signals, and all else that has to run is in other processes.
    journal: dict[str, Any] = run_experiment(wanted, strategy=Strategy.DEFAULT)
    return journal
