"""Groups of failures in a real Chromium: found, understood, resolved, come back; what is whose; by keyboard alone."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.e2e.browsing import ROOT, Client, Platform, opened
from tests.e2e.chromium import MARKS, clean_in_both_themes
from tests.e2e.standin import NAME, Attempt, StandIn, fail
from tests.waiting import free_port, until

pytestmark = MARKS
ALERTMANAGER = shutil.which("prometheus-alertmanager")
PEOPLE = {"ann": "user", "olga": "operator"}
TOKENS = {name: {"token": f"token-of-{name}-12345", "role": role} for name, role in PEOPLE.items()}
GATE = "RuntimeError: gate 7 is shut"
MEMORY = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB"


@pytest.fixture(scope="module")
def alertmanager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real Alertmanager with the routes as shipped; of nobody, where it is not installed."""
    folder, port = tmp_path_factory.mktemp("alertmanager"), free_port()
    if ALERTMANAGER is None:
        yield f"http://127.0.0.1:{port}"
        return
    command = [
        ALERTMANAGER, f"--config.file={ROOT}/monitoring/alertmanager/alertmanager.yml", f"--storage.path={folder}",
        f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=",
    ]  # fmt: skip
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        yield f"http://127.0.0.1:{port}"
        process.kill()


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, alertmanager: str) -> Iterator[Platform]:
    """`vtp up` with people who have tokens of their own."""
    home = tmp_path_factory.mktemp("home")
    running = Platform(home, VTP_TOKENS=json.dumps(TOKENS), VTP_ALERTMANAGER_URL=alertmanager)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def agent(context: BrowserContext, platform: Platform) -> Iterator[StandIn]:
    made = StandIn(platform.address, platform.home)
    yield made
    made.close()


@pytest.fixture(scope="module")
def ann(context: BrowserContext, browser: Browser, platform: Platform) -> Iterator[BrowserContext]:
    """The browser of somebody who is no operator."""
    link = f"{platform.address}/?token={TOKENS['ann']['token']}"
    made = opened(browser, platform, link=link)
    yield made
    made.close()


def begun(client: Client, agent: StandIn) -> tuple[str, Attempt]:
    wanted = {"framework": NAME, "model": "stand-in", "dataset_id": "digits-classify", "epochs": 10, "batch_size": 32}
    job_id = client.start(**wanted)
    return job_id, agent.attempt(job_id)


def failed(client: Client, agent: StandIn, error: str = GATE) -> str:
    """A job that has failed for good, and was counted."""
    job_id, attempt = begun(client, agent)
    fail(attempt, error)
    until(lambda: client.status(job_id) == "failed", f"the end of {job_id}")
    until(lambda: client.get(f"/training-jobs/{job_id}/similar")["group"], f"the group of {job_id}")
    return job_id


def repaired(client: Client, agent: StandIn) -> str:
    """A job that ran out of memory, was repaired by a smaller batch, and succeeded."""
    job_id, attempt = begun(client, agent)
    fail(attempt, MEMORY, "CUDA_OOM")
    agent.next(job_id, 1).tell({"status": "succeeded", "result": {"metrics": {}, "epochs": 10}})
    until(lambda: client.status(job_id) == "succeeded", f"the end of {job_id}")
    return job_id


@pytest.fixture(scope="module")
def failures(context: BrowserContext, platform: Platform, agent: StandIn, ann: BrowserContext) -> dict[str, str]:
    """Failures of trainings, of the interface and of the page; of the owner and of ann."""
    client = Client(context, platform.address)
    owner = [failed(client, agent), failed(client, agent)]
    own = failed(Client(ann, platform.address), agent)
    memory = repaired(client, agent)
    missing = context.request.get(f"{client.base}/training-jobs/J-404").json()["error"]["trace_id"]
    report = {"name": "TypeError", "message": "rows is undefined", "stack": "at Rows (app.js:1:2)", "path": "/datasets"}
    client.post("/errors/reports", report)
    until(lambda: len(client.get("/errors/groups")["items"]) >= 4, "all groups")
    return {"first": owner[0], "second": owner[1], "ann": own, "memory": memory, "trace": missing}


def row(page: Page, text: str) -> Locator:
    return page.locator('main li:has(a[href*="/failures/"][data-row])').filter(has_text=text)


def settled(page: Page) -> None:
    expect(page.locator(".skeleton")).to_have_count(0)


def test_a_failure_is_found_resolved_and_called_regressed_when_it_comes_back(
    page: Page, client: Client, agent: StandIn, failures: dict[str, str], shots: Path
) -> None:
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Failures").click()
    page.wait_for_url("**/failures?state=unresolved")
    expect(page.get_by_role("heading", name="Failures", exact=True)).to_be_visible()
    gate = row(page, "gate 7 is shut")
    expect(gate).to_contain_text("3 times")
    expect(gate).to_contain_text("3 jobs, 2 users")
    expect(gate.get_by_role("img", name=re.compile("Last 14 days: 3 in the last 7"))).to_be_visible()
    expect(row(page, "CUDA_OOM")).to_contain_text("1 of 1 was fixed by batch 16")
    expect(page.get_by_role("region", name="Last 7 days")).to_contain_text("3 trainings ended as failed")
    clean_in_both_themes(page, "failures", shots)
    page.set_viewport_size({"width": 320, "height": 700})
    places = page.get_by_role("navigation", name="Main")
    assert places.evaluate("(nav) => nav.scrollWidth <= nav.clientWidth"), "every place has room on a narrow screen"
    page.set_viewport_size({"width": 1280, "height": 900})
    page.get_by_role("region", name="Last 7 days").get_by_text(re.compile(r"^\d new$")).click()
    clean_in_both_themes(page, "failures-week", shots)
    gate.locator("a[data-row]").click()

    page.wait_for_url("**/failures/*")
    settled(page)
    expect(page.get_by_role("region", name="What it is")).to_contain_text(GATE)
    about = page.get_by_role("region", name="What it is").get_by_role("link", name=re.compile("About"))
    code = str(about.get_attribute("href"))
    assert code.startswith("/errors/")
    hit = page.get_by_role("region", name="Impact")
    for name in ("first", "second", "ann"):
        expect(hit.get_by_role("link", name=failures[name], exact=True)).to_be_visible()
    expect(hit.get_by_role("list", name="Users")).to_contain_text("ann")
    expect(page.get_by_role("region", name="Fingerprint")).to_contain_text("version 1, from the diagnosis")
    clean_in_both_themes(page, "failure-open", shots)
    page.get_by_role("button", name="As a table").click()
    expect(page.get_by_role("region", name="How often").get_by_role("row")).to_have_count(2)
    page.get_by_role("button", name="48 hours").click()
    clean_in_both_themes(page, "failure-table", shots)

    state = page.get_by_role("region", name="State")
    state.get_by_label(re.compile("Note for whoever")).fill("gate was oiled")
    state.get_by_role("button", name="Resolve", exact=True).click()
    expect(page.locator("main [data-status=resolved]")).to_have_count(2)
    expect(state).to_contain_text("Resolved by owner: “gate was oiled”")
    clean_in_both_themes(page, "failure-resolved", shots)

    again = failed(client, agent)
    expect(page.locator("main [data-status=regressed]")).to_have_count(2)
    expect(state.get_by_role("listitem").filter(has_text="Came back")).to_have_count(1)
    expect(state.get_by_role("listitem").filter(has_text="Resolved by owner: “gate was oiled”")).to_have_count(1)
    expect(page.get_by_role("region", name="Occurrences").get_by_role("link", name=f"{again}, attempt 1")).to_be_visible()
    clean_in_both_themes(page, "failure-regressed", shots)
    page.get_by_role("button", name="Copy link").click()
    assert page.evaluate("navigator.clipboard.readText()") == page.url


def test_a_pasted_trace_id_is_found_whatever_the_list_was_narrowed_to(
    page: Page, platform: Platform, failures: dict[str, str], shots: Path
) -> None:
    page.goto(f"{platform.address}/failures?state=ignored&source=page")
    expect(page.get_by_text("Nothing fits that is ignored")).to_be_visible()
    clean_in_both_themes(page, "failures-none", shots)
    header = f"traceparent: 00-{failures['trace']}-00f067aa0ba902b7-01"
    page.get_by_role("searchbox", name="Search failures").fill(header)
    expect(row(page, "NOT_FOUND")).to_have_count(1)
    expect(page.locator("a[data-row]")).to_have_count(1)
    assert "state=" not in page.url
    page.locator("a[data-row]").click()
    found = page.get_by_role("region", name="Occurrences")
    expect(found.get_by_role("link", name=failures["trace"])).to_be_visible()
    expect(found).to_contain_text("GET /api/v1/training-jobs/{job_id} → 404")
    page.goto(f"{platform.address}/failures?q={'0' * 31}1")
    expect(page.get_by_text("No failure is kept under this id")).to_be_visible()


def test_filters_stand_in_the_address_and_old_links_lead_here(
    page: Page, platform: Platform, failures: dict[str, str], shots: Path
) -> None:
    page.goto(f"{platform.address}/errors")
    page.wait_for_url("**/failures")
    page.get_by_label("Only failures of", exact=True).select_option("Web page")
    # Exactly the one that was told: what this page itself fails in would stand here too.
    expect(page.locator("main li p.font-mono")).to_have_text(["TypeError: rows is undefined"])
    page.get_by_label("Only failures of", exact=True).select_option("From anywhere")
    page.get_by_label("Only failures with the code").select_option("CUDA_OOM")
    expect(page.get_by_role("link", name="About CUDA_OOM")).to_have_attribute("href", "/errors/CUDA_OOM")
    page.get_by_label("Only failures seen").select_option("Seen between")
    page.get_by_label("until").fill("2001-01-01T00:00")
    expect(page.get_by_text("No failure fits what you look for")).to_be_visible()
    clean_in_both_themes(page, "failures-between", shots)
    page.reload()
    expect(page.get_by_text("No failure fits what you look for")).to_be_visible()
    page.get_by_role("button", name="Show all failures").click()
    expect(row(page, "rows is undefined")).to_have_count(1)


def test_a_page_of_a_job_leads_to_all_failures_like_its_own(
    page: Page, platform: Platform, failures: dict[str, str]
) -> None:
    page.goto(f"{platform.address}/jobs/{failures['first']}")
    page.get_by_role("link", name="All failures like this").click()
    expect(page.get_by_role("region", name="What it is")).to_contain_text(GATE)


def test_a_refused_change_is_taken_back_and_says_why(
    page: Page, platform: Platform, client: Client, failures: dict[str, str], shots: Path
) -> None:
    group = client.get("/errors/groups?code=CUDA_OOM")["items"][0]["group_id"]
    page.goto(f"{platform.address}/failures/{group}")
    page.route("**/state", lambda route: route.abort("connectionrefused"))
    state = page.get_by_role("region", name="State")
    state.get_by_role("button", name="Ignore").click()
    expect(state.get_by_role("alert")).to_contain_text("the platform")
    expect(state.locator("[data-status=open]")).to_be_visible()
    clean_in_both_themes(page, "failure-refused", shots)
    page.unroute("**/state")
    state.get_by_role("button", name="Try again").click()
    expect(state.locator("[data-status=ignored]")).to_be_visible()
    state.get_by_role("button", name="Reopen").click()
    expect(state.locator("[data-status=open]")).to_be_visible()


def test_somebody_who_is_no_operator_sees_theirs_and_changes_nothing(
    ann: BrowserContext, platform: Platform, failures: dict[str, str], shots: Path
) -> None:
    page = ann.new_page()
    page.goto(f"{platform.address}/failures")
    gate = row(page, "gate 7 is shut")
    expect(gate).to_contain_text("1 time")
    expect(page.get_by_text("rows is undefined")).to_have_count(0)
    gate.locator("a[data-row]").click()
    settled(page)
    impact = page.get_by_role("region", name="Impact")
    expect(impact.get_by_role("link", name=failures["ann"], exact=True)).to_be_visible()
    expect(page.get_by_text(failures["first"], exact=True)).to_have_count(0)
    expect(page.get_by_text("Operators can resolve or ignore it")).to_be_visible()
    expect(page.get_by_role("button", name="Resolve", exact=True)).to_have_count(0)
    clean_in_both_themes(page, "failure-of-a-user", shots)
    page.close()


def test_the_keyboard_alone_finds_and_resolves(
    page: Page, platform: Platform, client: Client, failures: dict[str, str]
) -> None:
    expect(page.get_by_role("heading", name="Jobs", exact=True)).to_be_visible()
    page.keyboard.press("e")
    page.wait_for_url("**/failures?state=unresolved")
    expect(row(page, "CUDA_OOM")).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("cuda memory")
    expect(page.locator("a[data-row]")).to_have_count(1)
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    expect(page.locator("a[data-row]")).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url("**/failures/*")
    resolve = page.get_by_role("button", name="Resolve", exact=True)
    expect(resolve).to_be_visible()
    for _ in range(40):
        page.keyboard.press("Tab")
        if resolve.evaluate("(button) => button === document.activeElement"):
            break
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="State")).to_contain_text("Resolved by owner")
    expect(page.get_by_role("button", name="Reopen")).to_be_focused()
    group = int(page.url.rsplit("/", 1)[1])
    assert client.get(f"/errors/groups/{group}")["state"] == "resolved"
    client.post(f"/errors/groups/{group}/state", {"state": "open"})


@pytest.mark.skipif(ALERTMANAGER is None, reason="needs prometheus-alertmanager (Debian package of this name)")
def test_the_system_page_shows_what_fires_and_what_was_told_at_once(
    page: Page, platform: Platform, client: Client, agent: StandIn, ann: BrowserContext, alertmanager: str, shots: Path
) -> None:
    firing = {
        "labels": {"alertname": "AgentLost", "severity": "critical", "owner": "platform", "instance": "gpu-1"},
        "annotations": {"summary": "gpu-1 is gone.", "runbook_url": "http://vtp.internal/runbooks/AgentLost"},
    }
    until(lambda: httpx.post(f"{alertmanager}/api/v2/alerts", json=[firing]).is_success, "Alertmanager")
    job_id, attempt = begun(client, agent)
    fail(attempt, "", "TRAINER_CRASHED", exceptions=[], exit_code=-11, signal=11)
    codes = until(
        lambda: [item["code"] for item in client.get("/system/alerts")["told"] if item["code"] == "TRAINER_CRASHED"],
        "an immediate alert",
    )
    assert len(codes) == 1
    page.goto(f"{platform.address}/system")
    card = page.get_by_role("region", name="Alerts")
    expect(card).to_contain_text("gpu-1 is gone.")
    expect(card.get_by_role("link", name="Runbook of AgentLost")).to_have_attribute("href", "/runbooks/AgentLost")
    expect(card).to_contain_text("Nobody is told of these.")
    clean_in_both_themes(page, "system-alerts", shots)
    card.get_by_role("listitem").filter(has_text="TRAINER_CRASHED").get_by_role("link").first.click()
    expect(page.get_by_role("region", name="Impact").get_by_role("link", name=job_id)).to_be_visible()
    client.post(f"/training-jobs/{job_id}/cancel", {})
    mine = ann.new_page()
    mine.goto(f"{platform.address}/system")
    expect(mine.get_by_role("region", name="Agents")).to_be_visible()
    expect(mine.get_by_role("region", name="Alerts")).to_have_count(0)
    mine.close()


def test_what_cannot_be_had_says_so(page: Page, platform: Platform, failures: dict[str, str], shots: Path) -> None:
    page.goto(f"{platform.address}/failures/999999")
    expect(page.get_by_role("heading", name=re.compile("was not found|does not exist|no error group"))).to_be_visible()
    clean_in_both_themes(page, "failure-missing", shots)
    page.goto(f"{platform.address}/failures")
    expect(row(page, "gate 7 is shut")).to_be_visible()
    page.route("**/api/v1/errors/groups?*", lambda route: route.abort("connectionrefused"))
    banner = page.get_by_role("status").filter(has_text="Live updates paused")
    expect(banner).to_be_visible()
    expect(row(page, "gate 7 is shut")).to_be_visible()
    page.unroute("**/api/v1/errors/groups?*")
    page.get_by_role("button", name="Try now").click()
    expect(banner).to_have_count(0)
