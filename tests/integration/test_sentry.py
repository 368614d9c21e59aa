"""What goes to Sentry, read back from a real server of its protocol; and what happens when that is away."""

import asyncio
import json
import os
import shutil
import signal
import statistics
import time
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import httpx
import pytest

from app import __version__
from tests.conftest import classification_zip
from tests.integration.bugsink import PYTHON, Bugsink, tags_of
from tests.integration.faults_table import Record
from tests.integration.proxy import FaultProxy, http_answer
from tests.running import JOBS, SKLEARN, RunningPlatform
from tests.waiting import until

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not PYTHON.exists(), reason="Bugsink is not installed (tools/setup.py test)"),
    pytest.mark.skipif(not SKLEARN.exists(), reason="the scikit-learn trainer's environment is not installed"),
]
SECRETS = {
    "password": "hunter2-" + "x" * 9, "key": "AK" + "IA" + "ABCDEFGHIJKLMNOP", "mail": "ada.lovelace" + "@example.org",
    "url": "s3cr3tpw",
}  # fmt: skip
BROKEN = f"password={SECRETS['password']} {SECRETS['key']} {SECRETS['mail']} postgres://u:{SECRETS['url']}@db/x"
CONFIG: dict[str, Any] = {
    "framework": "sklearn", "model": "sgd-linear", "dataset_id": "tiny", "epochs": 40, "batch_size": 4, "image_size": 16,
    "settings": {"images_per_s_limit": 20},
}  # fmt: skip
ASKED = 5
SYSTEMS = filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome")))
FETCHED = map(str, Path.home().glob(".cache/ms-playwright/chromium-*/chrome-linux*/chrome"))
CHROMIUM = next(chain(SYSTEMS, FETCHED), None)
PAGE = Path(__file__).resolve().parents[2] / "frontend" / "dist" / "index.html"


class Watched:
    """A running platform that reports to Bugsink by way of a proxy that can fail."""

    def __init__(self, home: Path) -> None:
        self.bugsink = Bugsink(home / "bugsink")
        self.proxy = FaultProxy(self.bugsink.port)
        dsn = self.bugsink.dsn(self.proxy.port)
        self.platform = RunningPlatform(home / "vtp", SENTRY_DSN=dsn, ENV_NAME="subprocess", VTP_LOG_JSON="true")
        self.http = httpx.Client(base_url=self.platform.url, headers={"Authorization": "Bearer token"}, timeout=30)

    def start(self) -> None:
        """Starts the platform, with a good data set and one that nobody can read."""
        for name in ("backend", "agent"):
            self.platform.start(name)
        until(lambda: any(item["agents"] for item in self.get("/api/v1/frameworks")["items"]), "an agent")
        for name in ("tiny", "broken"):
            self.http.post("/api/v1/datasets", params={"name": name}, content=classification_zip()).raise_for_status()
            until(lambda name=name: self.get(f"/api/v1/datasets/{name}")["status"] != "checking", "the check")
        self._break("broken")

    def _break(self, name: str) -> None:
        """Puts something into the database that no code of ours expects, and that holds secrets."""
        import sqlite3

        with sqlite3.connect(self.platform.home / "vtp.db") as connection:
            connection.execute("update datasets set created_at=? where id=?", (BROKEN, name))
        connection.close()

    def get(self, path: str) -> Any:
        """The answer to a request."""
        return self.http.get(path).json()

    def bug(self) -> httpx.Response:
        """The answer to a request that meets the bug, full of secrets."""
        return self.http.get(
            "/api/v1/datasets/broken",
            params={"token": SECRETS["password"], "a": "1"},
            headers={"Cookie": f"session={SECRETS['password']}", "X-Api-Key": SECRETS["key"]},
        )

    def events(self, **tags: str) -> list[dict[str, Any]]:
        """Events with these tags, as soon as there are any."""
        found: list[dict[str, Any]] = until(lambda: self.bugsink.tagged(**tags), f"an event with {tags}")
        return found

    def lost(self) -> int:
        """Events that did not arrive, as the platform counts them."""
        name = 'platform_errors_contained_total{component="sentry"} '
        found = [line for line in self.http.get("/metrics").text.splitlines() if line.startswith(name)]
        return int(float(found[0].rsplit(" ", 1)[1])) if found else 0

    def close(self) -> None:
        """Ends everything."""
        self.http.close()
        asyncio.run(self.platform.down())
        self.proxy.close()
        self.bugsink.kill()


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    made = Watched(tmp_path_factory.mktemp("sentry"))
    try:
        made.start()
        yield made
    finally:
        made.close()


def assert_no_secret(event: dict[str, Any]) -> None:
    """Nothing that is secret is in an event, whatever its form."""
    text = json.dumps(event)
    assert [secret for secret in (*SECRETS.values(), "Bearer token") if secret in text] == []


def test_a_bug_of_the_backend_is_there_with_tags_contexts_and_frames_and_without_secrets(watched: Watched) -> None:
    answer = watched.bug()
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (500, "SYSTEM_ERROR")
    event = watched.events(code="SYSTEM_ERROR", component="api")[0]
    assert {
        "code": "SYSTEM_ERROR", "type": "system_error", "error_type": "system_error", "severity": "critical",
        "causer": "platform", "component": "api", "trace_id": error["trace_id"],
    }.items() <= tags_of(event).items()  # fmt: skip
    assert event["level"] == "fatal"
    assert event["contexts"]["trace"]["trace_id"] == error["trace_id"]
    assert event["contexts"]["error_details"]["user_message"]
    assert "suggested_action" in event["contexts"]["error_details"]
    assert event["contexts"]["additional_context"]["path"] == "/api/v1/datasets/broken"
    assert (event["environment"], event["release"]) == ("subprocess", f"vtp@{__version__}")
    assert event["fingerprint"][0].startswith("e1:")
    assert event["transaction"] == "/api/v1/datasets/{dataset_id}"
    frames = event["exception"]["values"][-1]["stacktrace"]["frames"]
    assert frames
    assert not any("vars" in frame for frame in frames)
    assert_no_secret(event)


def test_it_is_in_the_log_in_one_line_with_the_same_fingerprint(watched: Watched) -> None:
    trace_id = watched.bug().json()["error"]["trace_id"]
    lines = [json.loads(line) for line in watched.platform.log("backend").splitlines() if line.startswith("{")]
    errors = [line for line in lines if line.get("trace_id") == trace_id and line["level"] in ("error", "critical")]
    assert len(errors) == 1
    event = watched.events(trace_id=trace_id)[0]
    assert errors[0]["fingerprint"] == event["fingerprint"][0]
    assert (errors[0]["code"], errors[0]["causer"], errors[0]["component"]) == ("SYSTEM_ERROR", "platform", "api")
    assert errors[0]["exception"]
    assert_no_secret(errors[0])


def test_refusals_that_are_the_users_are_not_there(watched: Watched) -> None:
    for _ in range(5):
        assert watched.http.get("/api/v1/training-jobs/J-404").status_code == 404
        assert watched.http.post(JOBS, json={"epochs": -1}).status_code == 400
    marker = watched.bug().json()["error"]["trace_id"]
    watched.events(trace_id=marker)
    assert {tags_of(event)["causer"] for event in watched.bugsink.tagged()} == {"platform"}


def test_a_crash_of_a_training_is_there_with_job_attempt_and_the_diagnosis_fingerprint(watched: Watched) -> None:
    answer = watched.http.post(JOBS, json=CONFIG, headers={"Prefer": "respond-async"})
    job_id, trace_id = answer.json()["job_id"], answer.headers["server-timing"].split("-")[1]
    pid = until(lambda: watched.platform.pid(job_id, 1), "the training process")
    os.kill(pid, signal.SIGSEGV)
    event = watched.events(component="trainer", trace_id=trace_id)[0]
    attempt = watched.get(f"{JOBS}/{job_id}/attempts")["items"][0]
    assert tags_of(event)["code"] == attempt["error"]["code"] == "TRAINER_CRASHED"
    assert event["fingerprint"] == [attempt["diagnosis"]["fingerprint"]]
    assert (event["level"], event["contexts"]["job"]["id"], event["contexts"]["attempt"]["number"]) == ("error", job_id, 1)
    assert event["contexts"]["evidence"]["signal"] == signal.SIGSEGV
    assert event["contexts"]["additional_context"]["action"] == "retry"
    assert attempt["error"]["trace_id"] == trace_id
    watched.http.post(f"{JOBS}/{job_id}/cancel")


def test_a_failure_of_an_agent_is_there_with_its_frames(watched: Watched) -> None:
    problem = {
        "type": "OSError", "message": f"cannot write: {BROKEN}", "module": "builtins", "job_id": "J-1", "attempt": 1,
        "frames": [{"file": "/srv/trainers/agent/outbox.py", "line": 7, "function": "append", "code": "self._db.execute()"}],
    }  # fmt: skip
    report = {"name": "m", "url": "http://127.0.0.1:1", "slots": 0, "problems": [problem]}
    secret = {"Authorization": "Bearer secret"}
    watched.http.put("/api/v1/agents/other", json=report, headers=secret).raise_for_status()
    event = watched.events(component="agent")[0]
    assert event["exception"]["values"][0]["type"] == "OSError"
    assert event["exception"]["values"][0]["stacktrace"]["frames"][0]["function"] == "append"
    assert event["contexts"]["additional_context"]["agent_id"] == "other"
    assert_no_secret(event)


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None or not PAGE.exists(), reason="needs Chromium and the built page (npm run build)")
async def test_a_crash_of_the_page_is_there_joined_by_the_trace_id_that_the_backend_told(watched: Watched) -> None:
    from playwright.async_api import async_playwright

    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = await browser.new_page()
        async with page.expect_response(lambda answer: "/assets/sentry-" in answer.url, timeout=30_000):
            await page.goto(f"{watched.platform.url}/?token=token")
        async with page.expect_response("**/api/1/envelope/**", timeout=30_000) as sent:
            await page.goto(f"{watched.platform.url}/datasets/broken")
        assert (await sent.value).status == 200
        shown = await page.get_by_text("Trace id").locator("code").first.inner_text()
        async with page.expect_response("**/api/1/envelope/**", timeout=30_000) as sent:
            await page.evaluate("text => { setTimeout(() => { throw new TypeError(text) }) }", f"boom {BROKEN}")
        await browser.close()
    events = await asyncio.to_thread(until, lambda: len(watched.bugsink.tagged(component="page")) > 1, "both events")
    events = watched.bugsink.tagged(component="page")
    crash = next(event for event in events if event["exception"]["values"][-1]["type"] == "TypeError")
    assert (crash["environment"], crash["release"]) == ("subprocess", f"vtp@{__version__}")
    joined = watched.bugsink.tagged(trace_id=shown)
    assert {tags_of(event)["component"] for event in joined} == {"api", "page"}
    for event in events:
        assert_no_secret(event)
    groups = await asyncio.to_thread(until, lambda: watched.get("/api/v1/errors/groups?source=page")["items"], "its group")
    assert "TypeError" in json.dumps(groups)
    assert SECRETS["password"] not in json.dumps(groups)


def bugs(watched: Watched) -> tuple[float, str]:
    """The usual time in which a request is answered that meets the bug, and the trace id of the last."""
    times, trace_id = [], ""
    for _ in range(ASKED):
        began = time.perf_counter()
        answer = watched.bug()
        times.append(time.perf_counter() - began)
        trace_id = answer.json()["error"]["trace_id"]
    return statistics.median(times), trace_id


ANSWERS = {
    "wrong credentials": http_answer("403 Forbidden", b'{"detail": "no"}', "application/json"),
    "5xx": http_answer("503 Service Unavailable"),
    "429 with Retry-After": http_answer("429 Too Many Requests", Retry_After="1"),
}
LOST = "answered as ever; the events are lost, the failures stand in the platform's own tracking"
LATE = "answered as ever; the events arrive late"
KNOWN = "answered as ever; the events have arrived, but count as lost"
DELAYED = {"black hole": LATE, "slow": LATE}
ARRIVED = {**DELAYED, "reset in mid-answer": KNOWN}


def test_an_error_tracker_that_is_away_or_hangs_slows_nothing(watched: Watched, record_fault: Record) -> None:
    usual, trace_id = bugs(watched)
    watched.events(trace_id=trace_id)
    causes: dict[str, Any] = {
        "refused": watched.proxy.refuse,
        "black hole": watched.proxy.hold,
        "reset in mid-answer": lambda: setattr(watched.proxy.faults, "cut_after", 1),
        "slow": lambda: setattr(watched.proxy.faults, "latency", 0.5),
        "garbage answer": lambda: (setattr(watched.proxy.faults, "garbage", b"\0garbage\r\n\r\n"), watched.proxy.reset()),
        "killed and restarted": watched.bugsink.kill,
        **{
            name: lambda answer=answer: watched.proxy.faults.answers.extend([answer] * 50)
            for name, answer in ANSWERS.items()
        },
    }
    told = {}
    for fault, cause in causes.items():
        before = watched.lost()
        cause()
        taken, trace_id = bugs(watched)
        print(f"{fault}: {taken * 1000:.1f} ms, usually {usual * 1000:.1f} ms")
        assert taken < 3 * usual + 0.05
        told[fault] = (trace_id, max(0.0, taken - usual))
        if fault not in DELAYED:
            until(lambda before=before: watched.lost() >= before + ASKED, "all events to be lost")
        watched.proxy.heal()
        if fault == "killed and restarted":
            watched.bugsink.start()
        if fault in DELAYED:
            watched.events(trace_id=trace_id)
    markers: list[str] = []

    def arrives_again() -> bool:
        markers.append(watched.bug().json()["error"]["trace_id"])
        return any(watched.bugsink.tagged(trace_id=marker) for marker in markers)

    until(arrives_again, "events to arrive again", every=0.2)
    for fault, (trace_id, seconds) in told.items():
        late = bool(watched.bugsink.tagged(trace_id=trace_id))
        assert late == (fault in ARRIVED), fault
        record_fault("Error tracker", fault, None, "nothing", ARRIVED.get(fault, LOST), seconds)


def test_a_backend_ends_at_once_although_the_error_tracker_hangs(watched: Watched) -> None:
    watched.proxy.hold()
    watched.bug()
    began = time.monotonic()
    watched.platform.kill("backend", signal.SIGTERM)
    print(f"ended within {time.monotonic() - began:.1f} s")
    assert time.monotonic() - began < 10
    watched.proxy.heal()
    watched.platform.start("backend")
    until(lambda: watched.http.get("/api/v1/system/health/live").is_success, "the backend")
    trace_id = until(lambda: watched.bug().json()["error"]["trace_id"], "the bug")
    watched.events(trace_id=trace_id)
