"""The page of a job in a real Chromium: every way in which a job can stand and fail, and how fast it stays."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.conftest import picture
from tests.e2e.browsing import Client, Platform
from tests.e2e.chromium import MARKS, clean_in_both_themes, traced
from tests.e2e.standin import NAME, Attempt, StandIn, epoch, fail
from tests.waiting import until

pytestmark = MARKS
LINES = 100_000
SENDERS_SECONDS = 5
A_SECOND = 1000
LONGEST_MS = 50
MOST_ROWS = 100
"""Lines that are drawn, of however many there are."""


@pytest.fixture(scope="module")
def agent(context: object, platform: Platform) -> Iterator[StandIn]:
    made = StandIn(platform.address, platform.home)
    yield made
    made.close()


def begun(client: Client, agent: StandIn, *, epochs: int = 4, of: int = 10, **config: Any) -> tuple[str, Attempt]:
    """A job that has trained `epochs` epochs and left a checkpoint of the last."""
    wanted = {"framework": NAME, "model": "stand-in", "dataset_id": "digits-classify", "epochs": of, "batch_size": 32}
    job_id = client.start(**{**wanted, **config})
    attempt = agent.attempt(job_id)
    trained(attempt, epochs, of)
    return job_id, attempt


def trained(attempt: Attempt, epochs: int, of: int, first: int = 1) -> None:
    attempt.tell({"phase": "data"}, attempt.log("\x1b[32mreading 1437 images\x1b[0m\n"), {"phase": "training"})
    for number in range(first, epochs + 1):
        attempt.tell(
            epoch(number, of, 1 / number, 0.5 + number / 40), attempt.log(f"epoch {number}/{of} loss {1 / number:.4f}\n")
        )
    if epochs:
        attempt.file("checkpoints/last-0.pt", b"weights", "checkpoint", "application/octet-stream", epochs)


def at(page: Page, platform: Platform, job_id: str, status: str) -> Page:
    page.goto(f"{platform.address}/jobs/{job_id}")
    expect(page.locator(f"h1 [data-status={status}]")).to_be_visible()
    expect(page.locator(".skeleton")).to_have_count(0)
    return page


def test_a_running_job_shows_its_way_curves_memory_and_warns_before_it_fails(
    page: Page, platform: Platform, client: Client, agent: StandIn, shots: Path
) -> None:
    job_id, attempt = begun(client, agent, epochs=0)
    at(page, platform, job_id, "running")
    expect(page.get_by_role("region", name="Progress")).to_contain_text("no ETA yet")
    full = {"rss_bytes": 2e9, "gpu_bytes": 7.8e9, "gpu_total_bytes": 8e9}
    attempt.tell(epoch(1, 10, 0.5, 0.4), epoch(2, 10, 0.4, 0.5))
    for number, loss in ((3, 0.45), (4, 0.6), (5, 0.8)):
        attempt.tell(epoch(number, 10, loss, 0.5, memory=full, disk={"free_bytes": 1.2e9, "total_bytes": 5e11}))
    attempt.file("confusion_matrix.png", picture(90, edge=240), "plot", "image/png")
    way = page.get_by_role("list", name="Phases")
    expect(way.locator("[aria-current=step]")).to_contain_text("epoch 5/10")
    expect(page.get_by_role("region", name="Progress")).to_contain_text("3:20 left")
    signs = page.get_by_role("region", name="Early signs")
    expect(signs).to_contain_text("The training loss has risen for 3 epochs, from 0.4 to 0.8")
    expect(signs).to_contain_text("GPU memory is 98% full (7.8 of 8.0 GB)")
    expect(signs).to_contain_text("The disk has 1.2 GB left")
    for code in ("TRAINING_DIVERGED", "CUDA_OOM", "DISK_FULL"):
        expect(signs.get_by_role("link", name=code)).to_be_visible()
    for name in ("Loss over", "Learning rate over", "Memory, GB over", "mAP50 over"):
        expect(page.get_by_role("img", name=re.compile(name, re.IGNORECASE))).to_be_visible()
    expect(page.get_by_role("img", name="Confusion matrix")).to_be_visible()
    clean_in_both_themes(page, "job-running-signs", shots)
    attempt.tell({"status": "succeeded", "result": {"metrics": {"metrics/mAP50(B)": 0.5}, "epochs": 10}})
    expect(page.locator("h1 [data-status=succeeded]")).to_be_visible()
    expect(signs).to_have_count(0)
    clean_in_both_themes(page, "job-succeeded", shots)


def test_a_crash_waits_and_memory_that_ran_out_is_repaired_at_once_and_the_attempts_tell_how(
    page: Page, platform: Platform, client: Client, agent: StandIn, shots: Path
) -> None:
    job_id, attempt = begun(client, agent)
    fail(attempt, "", "TRAINER_CRASHED", wait=60, exceptions=[], exit_code=-11, signal=11)
    at(page, platform, job_id, "waiting")
    attempts = page.get_by_role("region", name="Attempts")
    expect(attempts).to_contain_text("retrying in")
    expect(attempts.get_by_role("button", name="Stop retrying")).to_be_visible()
    clean_in_both_themes(page, "job-waiting", shots)
    attempts.get_by_role("button", name="Run now").click()
    second = agent.next(job_id, 1)
    fail(second, "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB", "CUDA_OOM")
    again = agent.next(job_id, 2)
    expect(attempts).to_contain_text("batch_sizewas 32becomes 16")
    assert again.spec["resume"]["epoch"] == 4
    trained(again, 10, 10, first=5)
    again.tell({"status": "succeeded", "result": {"metrics": {"metrics/mAP50(B)": 0.8}, "epochs": 10}})
    expect(page.locator("h1 [data-status=succeeded]")).to_be_visible()
    expect(attempts.locator("[data-attempt='3']")).to_contain_text("went on from epoch 4")
    clean_in_both_themes(page, "job-repaired", shots)


def test_a_failure_tells_problem_diagnosis_remedy_and_impact_and_is_resumed_where_it_ended(
    page: Page, platform: Platform, client: Client, agent: StandIn, shots: Path
) -> None:
    good, first = begun(client, agent, epochs=1, of=1, lr0=0.02)
    first.tell({"status": "succeeded", "result": {"metrics": {"metrics/mAP50(B)": 0.5}, "epochs": 1}})
    until(lambda: client.status(good) == "succeeded", "a good run")
    job_id, attempt = begun(client, agent, epochs=6)
    attempt.file("failed_batch.png", picture(40, edge=320), "samples", "image/png")
    attempt.tell(epoch(7, 10, 0.1, 0.6))
    error = "RuntimeError: mat1 and mat2 shapes cannot be multiplied (32x512 and 256x10)"
    fail(attempt, error)
    at(page, platform, job_id, "failed")
    failure = page.locator("section[data-error=MODEL_DATA_MISMATCH]")
    parts = failure.get_by_role("heading", level=3)
    expect(parts).to_have_text(["Diagnosis", "What to do", "Impact", "Similar failures"])
    expect(failure).to_contain_text("Root cause")
    expect(failure).to_contain_text("trainers/demo/train.py:12 in forward")
    expect(failure).to_contain_text("1 epoch is lost: the last checkpoint is of epoch 6")
    expect(failure).to_contain_text("compute time is charged")
    expect(failure).to_contain_text("wait")
    expect(failure).to_contain_text("Continues at epoch 7 of 10")
    different = page.get_by_role("region", name="What is different")
    expect(different).to_contain_text(good)
    expect(different).to_contain_text("epochswas 1becomes 10")
    expect(page.get_by_role("img", name="The batch that failed")).to_be_visible()
    expect(page.locator("[data-evidence]").first).to_be_attached()
    failure.get_by_role("button", name="Yes").click()
    expect(failure).to_contain_text("Noted")
    counts = client.get("/errors/feedback")["items"]
    assert {"code": "MODEL_DATA_MISMATCH", "helped": 1, "did_not": 0} in counts
    clean_in_both_themes(page, "job-failed-user-error", shots)
    page.keyboard.press("f")
    log = page.get_by_role("region", name="Lines of the log")
    expect(log).to_be_focused()
    assert re.search(r"\?attempt=1#L\d+$", page.url)
    page.get_by_role("button", name="Support bundle").click()
    dialog = page.get_by_role("dialog", name="Support bundle of")
    expect(dialog).to_contain_text("summary.md")
    with page.expect_download() as download:
        dialog.get_by_role("link", name="Download zip").click()
    assert download.value.path().read_bytes().startswith(b"PK")
    page.screenshot(path=shots / "job-support.png")
    page.keyboard.press("Escape")
    failure.get_by_role("button", name="Resume unchanged").click()
    page.wait_for_url(lambda url: not url.split("?")[0].endswith(job_id))
    again = page.url.rsplit("/", 1)[1]
    assert agent.attempt(again).spec["resume"]["epoch"] == 6
    expect(page.get_by_text("from epoch 6 on")).to_be_visible()
    done = agent.attempt(again)
    done.tell({"phase": "training"}, {"status": "succeeded", "result": {"metrics": {}, "epochs": 10}})
    at(page, platform, job_id, "failed")
    expect(page.get_by_text(f"retried as {again}, succeeded")).to_be_visible()
    page.goto(f"{platform.address}/system")
    expect(page.get_by_role("region", name="Did it help?")).to_contain_text("helped 1, did not 0")


FAILURES = {
    "diverged": ("FloatingPointError: loss is nan at epoch 4, step 17", "TRAINING_DIVERGED", {}),
    "unknown": ("", None, {"exceptions": [], "log": "", "exit_code": 1}),
    "lost": ("", "TRAINER_LOST", {"exceptions": [], "log": "", "exit_code": None}),
}


def to_the_end(client: Client, agent: StandIn, job_id: str, failing: Callable[[Attempt], None]) -> None:
    """Lets every further attempt fail in the same way, until the platform gives up."""
    number = 1
    while True:
        state = until(lambda: (s := client.get(f"/training-jobs/{job_id}"))["status"] != "queued" and s, "what is next")
        if state["status"] == "failed":
            return
        if state["status"] == "waiting":
            client.context.request.post(f"{client.base}/training-jobs/{job_id}/run-now")
        again = agent.next(job_id, number)
        number = again.spec["attempt"]
        again.tell({"phase": "training"})
        failing(again)


@pytest.mark.parametrize("kind", FAILURES)
def test_each_kind_of_failure_is_complete_and_accessible(
    page: Page, platform: Platform, client: Client, agent: StandIn, shots: Path, kind: str
) -> None:
    error, code, evidence = FAILURES[kind]
    job_id, attempt = begun(client, agent, lr0=0.5)
    fail(attempt, error, code, **evidence)
    to_the_end(client, agent, job_id, lambda again: fail(again, error, code, **evidence))
    at(page, platform, job_id, "failed")
    failure = page.locator("section[data-error]")
    expect(failure).to_be_visible()
    for part in ("Diagnosis", "What to do", "Impact"):
        expect(failure.get_by_role("heading", name=part)).to_be_visible()
    expect(failure).to_contain_text("is charged" if kind == "diverged" else "is not charged")
    expect(page.get_by_role("alert")).to_have_count(1)
    # That nothing is known is no guess.
    expect(failure.get_by_text("Likely")).to_have_count(0)
    clean_in_both_themes(page, f"job-failed-{kind}", shots)


HEARD = """() => {
  window.heard = [];
  const said = new Map();
  const listen = () => document.querySelectorAll("[role=alert], [role=status]").forEach((place) => {
    const text = place.textContent.trim();
    if (said.get(place) === text) return;
    said.set(place, text);
    if (text) window.heard.push([place.getAttribute("role"), text]);
  });
  new MutationObserver(listen).observe(document.body, {subtree: true, childList: true, characterData: true});
}"""
"""What a screen reader is told: each text of a live region, when it is new there."""


def test_a_screen_reader_is_told_of_progress_now_and_then_and_of_a_failure_once(
    page: Page, platform: Platform, client: Client, agent: StandIn
) -> None:
    job_id, attempt = begun(client, agent, epochs=1, of=50)
    at(page, platform, job_id, "running")
    page.evaluate(HEARD)
    for number in range(2, 41):
        attempt.tell(epoch(number, 50, 1 / number, 0.5))
        expect(page.get_by_role("region", name="Progress")).to_contain_text(f"Epoch {number} of 50")
    fail(attempt, "", None, exceptions=[], log="", exit_code=1)
    expect(page.locator("h1 [data-status=failed]")).to_be_visible()
    expect(page.get_by_role("alert")).to_be_visible()
    heard = page.evaluate("window.heard")
    alerts = [text for role, text in heard if role == "alert"]
    progress = [text for role, text in heard if role == "status" and "Epoch" in text]
    assert len(alerts) == 1
    assert "nothing tells why" in alerts[0]
    assert len(progress) <= 1 + 40 // 4, f"39 epochs were told as {len(progress)} announcements"
    assert not [text for role, text in heard if role == "status" and "failed" in text.lower()], "said a second time"


def scrolled(page: Page) -> None:
    """Scrolls through a log as a person does, to its beginning and back."""
    box = page.get_by_role("region", name="Lines of the log")
    box.hover()
    for distance in (-3000, -30_000, -500_000, 2000, 100_000):
        page.mouse.wheel(0, distance)
        page.wait_for_function("() => new Promise((done) => requestAnimationFrame(() => done(true)))")


def test_a_log_of_a_hundred_thousand_lines_and_a_thousand_updates_a_second_stay_smooth(
    page: Page, platform: Platform, client: Client, agent: StandIn
) -> None:
    job_id, attempt = begun(client, agent, epochs=2, of=10_000)
    for start in range(0, LINES, 2000):
        lines = (
            f"epoch {n // 500} step {n} loss 0.1234 {'UserWarning: slow' if n % 50 == 0 else 'ok'}\n"
            for n in range(start, start + 2000)
        )
        attempt.tell(attempt.log("".join(lines)))
    page.goto(platform.address)
    link = page.get_by_role("link", name=job_id).first
    expect(link).to_be_visible()
    with traced(page) as opening:
        link.click()
        expect(page.locator(f"[data-lines='{LINES + 3}']")).to_be_visible()
    with traced(page) as using:
        scrolled(page)
        page.get_by_label("Search the log").fill("step 99999")
        expect(page.get_by_text("1 of 1")).to_be_visible()
        page.get_by_label("Search the log").fill("")
        page.get_by_label("Level").select_option("warnings")
        expect(page.locator("[data-line]").first).to_contain_text("warning")
        page.get_by_label("Level").select_option("all")
    with traced(page) as watching:
        sent, took = flood(attempt, page)
    seen = page.locator("[data-lines]").get_attribute("data-lines")
    work = {"opening": opening, "using": using, "watching": watching}
    for name, tasks in work.items():
        print(f"{name}, longest tasks, ms of processor time and on the wall: {[(round(a), round(b)) for a, b in tasks[:5]]}")
    print(f"{sent / took:.0f} updates/s, {seen} lines")
    assert page.locator("[data-line]").count() < MOST_ROWS
    assert {name: tasks[0] for name, tasks in work.items() if tasks[0].work >= LONGEST_MS} == {}
    client.post(f"/training-jobs/{job_id}/cancel", {})


def flood(attempt: Attempt, page: Page) -> tuple[int, float]:
    """A thousand updates a second, steps and lines in turn, until the page has seen the last."""
    batch, total = 250, A_SECOND * SENDERS_SECONDS

    def send() -> None:
        begun_at = time.monotonic()
        for first in range(0, total, batch):
            updates = []
            for n in range(first, first + batch):
                step = {"epoch": 3, "epochs": 10_000, "step": n + 1, "steps": total, "losses": {"train/loss": 1 / (n + 1)}}
                updates.append({"progress": step} if n % 2 else attempt.log(f"step {n}\n"))
            attempt.tell(*updates)
            ahead = begun_at + (first + batch) / A_SECOND - time.monotonic()
            threading.Event().wait(max(0.0, ahead))

    began = time.monotonic()
    sender = threading.Thread(target=send)
    sender.start()
    expect(page.get_by_role("region", name="Progress")).to_contain_text(f"step {total} of {total}", timeout=60_000)
    took = time.monotonic() - began
    sender.join()
    return total, took
