"""The system page in a real Chromium: agents, dependencies and their switch, what is degraded, a panel that crashes."""

from pathlib import Path

from playwright.sync_api import Page, expect

from tests.e2e.browsing import Client, Platform
from tests.e2e.chromium import MARKS, clean_in_both_themes
from tests.waiting import until

pytestmark = MARKS


def test_a_dependency_is_switched_off_after_a_question_and_on_again(
    page: Page, platform: Platform, client: Client, shots: Path
) -> None:
    job_id = client.start(dataset_id="digits-classify", epochs=1)
    until(lambda: client.status(job_id) == "succeeded", "a call of the trainer")
    page.goto(f"{platform.address}/system")
    panel = page.get_by_role("region", name="What the platform depends on")
    trainer = panel.get_by_role("listitem").filter(has_text="Trainer Service")
    trainer.get_by_role("button", name="Switch off Trainer Service").click()
    clean_in_both_themes(page, "system-switch-off", shots)
    page.get_by_role("dialog").get_by_role("button", name="Switch off").click()
    expect(trainer).to_contain_text("Switched off")
    degraded = page.get_by_role("region", name="Working with less")
    expect(degraded).to_contain_text("Trainer Service")
    clean_in_both_themes(page, "system-degraded", shots)
    trainer.get_by_role("button", name="Reset Trainer Service").click()
    expect(trainer).to_contain_text("Reachable")
    expect(degraded).to_have_count(0)


def test_what_is_used_stands_against_what_there_is(page: Page, platform: Platform, client: Client) -> None:
    job_id = client.start(dataset_id="digits-classify", epochs=1)
    until(lambda: client.status(job_id) == "succeeded", f"the success of {job_id}")
    stopped = client.start(dataset_id="digits-classify", epochs=500)
    until(lambda: client.status(stopped) == "running", f"the start of {stopped}")
    client.post(f"/training-jobs/{stopped}/cancel", {})
    until(lambda: client.status(stopped) == "cancelled", f"the end of {stopped}")
    page.goto(f"{platform.address}/system")
    usage = page.get_by_role("region", name="Usage", exact=True)
    time = usage.get_by_role("region", name="Compute time")
    expect(time).to_contain_text("Compute time of the last 30 days")
    expect(time.get_by_role("listitem").filter(has_text="Succeeded")).to_contain_text("%")
    expect(time.get_by_role("listitem").filter(has_text="Cancelled")).to_be_visible()
    limit = client.get("/system/usage")["open_jobs"]["limit"]
    expect(usage.get_by_role("region", name="Open jobs")).to_contain_text(f"0 of {limit:,}")
    stored = sum(item["bytes"] for item in client.get("/datasets")["items"])
    expect(usage.get_by_role("region", name="Stored")).to_contain_text(f"Data sets {stored / 1e6:.1f} MB")
    usage.get_by_role("link", name="Delete data sets").click()
    page.wait_for_url("**/datasets")


def test_a_panel_that_crashes_leaves_the_others(page: Page, platform: Platform) -> None:
    page.route("**/api/v1/system/dependencies", lambda route: route.fulfill(json={"items": [None]}))
    page.goto(f"{platform.address}/system")
    panel = page.get_by_role("region", name="What the platform depends on")
    expect(panel.get_by_role("alert")).to_contain_text("This panel has crashed")
    expect(page.get_by_role("region", name="Agents")).to_contain_text("Alive")
    page.unroute("**/api/v1/system/dependencies")
    with page.expect_response("**/api/v1/system/dependencies"):
        page.evaluate("0")
    panel.get_by_role("button", name="Show it again").click()
    expect(panel).to_contain_text("Trainer Service")
