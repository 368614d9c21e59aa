"""The page in a real Chromium, against a backend and an agent that run as a user starts them."""

import json
import os
import re
import signal
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.e2e.browsing import PATIENCE, ROOT, SMALL, Client, Platform, opened
from tests.e2e.chromium import MARKS, clean_in_both_themes, faults, first_failure_by_keyboard
from tests.waiting import until

pytestmark = MARKS


def test_the_link_opens_the_page_and_a_wrong_token_does_not(browser: Browser, platform: Platform) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{platform.address}/?token=wrong")
    expect(page.get_by_role("alert")).to_contain_text("wrong or no longer valid")
    page.get_by_label("Token").fill(platform.token)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Jobs", exact=True)).to_be_visible()
    page.goto(platform.link)
    assert "token" not in page.url
    context.close()


@pytest.fixture(scope="module")
def broken(context: BrowserContext, platform: Platform) -> str:
    """The sample with damaged files, brought through the page; the data set's id."""
    tab = context.new_page()
    tab.goto(f"{platform.address}/datasets")
    tab.locator("input[type=file]").set_input_files(ROOT / "samples" / "digits-broken.zip")
    tab.wait_for_url("**/datasets/digits-broken*", timeout=PATIENCE * 1000)
    dataset_id = tab.url.rsplit("/", 1)[1]
    expect(tab.get_by_role("heading", name="Images that end too early")).to_be_visible()
    tab.close()
    return dataset_id


def test_an_uploaded_data_set_shows_every_problem_with_pictures(page: Page, platform: Platform, broken: str) -> None:
    page.goto(f"{platform.address}/datasets/{broken}")
    problems = page.get_by_role("list", name="Problems by kind").get_by_role("listitem")
    expect(problems).to_have_text([r"error: Images that cannot be read: 2", r"error: Images that end too early: 5"])
    pictures = page.get_by_role("img", name="What can be read of")
    expect(pictures).to_have_count(5)
    for picture in pictures.all():
        picture.scroll_into_view_if_needed()
        page.wait_for_function("image => image.complete && image.naturalWidth > 0", arg=picture.element_handle())
    expect(page.get_by_text("train/7/digit-0052.png")).to_be_visible()


def test_a_zip_that_is_none_is_refused_in_words(page: Page, platform: Platform, tmp_path: Path) -> None:
    false = tmp_path / "false.zip"
    false.write_bytes(b"this is not a zip at all")
    page.goto(f"{platform.address}/datasets")
    page.locator("input[type=file]").set_input_files(false)
    expect(page.locator("[data-error]")).to_be_visible()
    expect(page.locator("[data-status=failed]")).to_have_text("Unreadable")


def test_a_refused_job_is_trained_after_one_click_on_its_fix(
    page: Page, platform: Platform, client: Client, broken: str
) -> None:
    job_id = client.start(dataset_id=broken, settings={"images_per_s_limit": 300})
    page.goto(f"{platform.address}/jobs/{job_id}")
    alert = page.get_by_role("alert")
    expect(alert).to_have_count(1)
    expect(alert).to_contain_text("7 images cannot be read")
    for part in ("Diagnosis", "What to do", "Impact"):
        expect(page.get_by_role("heading", name=part)).to_be_visible()
    page.get_by_role("button", name="Apply and train").click()
    expect(page.locator("[data-status=running]").first).to_be_visible()
    retried = page.url.rsplit("/", 1)[1]
    assert retried != job_id
    expect(page.get_by_role("link", name=job_id)).to_be_visible()
    # The curve grows while the training runs, without loading the page again.
    curve = page.get_by_role("img", name="Loss over")
    expect(curve).to_be_visible()
    seen = int(curve.get_attribute("data-points") or 0)
    page.wait_for_function(
        "seen => document.querySelector('[data-points]').dataset.points > seen", arg=seen, timeout=PATIENCE * 1000
    )
    expect(page.locator("h1 [data-status=succeeded]")).to_be_visible()
    expect(page.get_by_role("link", name="best.npz")).to_be_visible()
    expect(page.get_by_role("img", name="Confusion matrix")).to_be_visible()
    page.get_by_role("button", name="Show table").click()
    expect(page.get_by_role("row")).to_have_count(1 + SMALL["epochs"])
    page.goto(f"{platform.address}/jobs/{job_id}")
    expect(page.get_by_role("link", name=retried).first).to_be_visible()


def test_the_form_says_everything_wrong_at_once_and_applies_fixes(
    page: Page, platform: Platform, broken: str, shots: Path
) -> None:
    page.goto(f"{platform.address}/new?dataset={broken}")
    page.get_by_label("Framework", exact=True).select_option("sklearn")
    page.get_by_label("Model", exact=True).select_option("sgd-linear")
    expect(page.get_by_label("Epochs")).to_have_value("10")
    check = page.get_by_role("region", name="Check")
    expect(check).to_contain_text("7 images cannot be read")
    page.get_by_text("3 settings").click()
    page.get_by_label("alpha").fill("7")
    expect(page.locator("#field-settings-alpha-error")).to_contain_text("maximum of 1")
    expect(check.locator("[data-problem]")).to_have_count(2)
    clean_in_both_themes(page, "new-problems", shots)
    check.get_by_role("button", name="alpha").click()
    expect(page.get_by_label("alpha")).to_be_focused()
    page.get_by_label("alpha").fill("0.001")
    check.get_by_role("button", name="Train without these 7 files").click()
    expect(page.get_by_role("checkbox")).to_be_checked()
    expect(check).to_contain_text("Ready to train")
    page.get_by_label("Epochs").fill("0")
    expect(page.locator("#field-epochs-error")).to_contain_text("should be at least 1")
    page.get_by_role("button", name="Start training").click()
    expect(page.get_by_label("Epochs")).to_be_focused()
    page.get_by_label("Epochs").fill("2")
    expect(check).to_contain_text("Ready to train")
    page.get_by_role("button", name="Start training").click()
    page.wait_for_url("**/jobs/J-*")
    expect(page.locator("h1 [data-status=succeeded]")).to_be_visible()


def test_an_ended_session_is_renewed_over_the_form_and_nothing_typed_is_lost(
    browser: Browser, platform: Platform, shots: Path
) -> None:
    context = opened(browser, platform)
    page = context.new_page()
    page.goto(f"{platform.address}/new")
    page.get_by_label("Name").fill("typed before")
    context.clear_cookies()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Nothing that you typed is lost")
    clean_in_both_themes(page, "session-ended", shots)
    dialog.get_by_label("Token").fill(platform.token)
    dialog.get_by_role("button", name="Log in").click()
    expect(dialog).to_have_count(0)
    expect(page.get_by_label("Name")).to_have_value("typed before")
    page.reload()
    expect(page.get_by_label("Name")).to_have_value("typed before")
    context.close()


def test_a_killed_training_shows_its_attempts_and_is_retried_at_once_on_demand(
    page: Page, platform: Platform, client: Client
) -> None:
    job_id = client.start(dataset_id="digits-classify", epochs=6, settings={"images_per_s_limit": 1500})
    page.goto(f"{platform.address}/jobs/{job_id}")
    expect(page.get_by_text("Checkpoint, epoch").first).to_be_visible()
    os.kill(until(lambda: platform.training(job_id), "a training process"), signal.SIGKILL)
    waiting = page.get_by_role("region", name="Next attempt")
    expect(waiting).to_contain_text("killed from outside")
    waiting.get_by_role("button", name="Run now").click()
    attempts = page.get_by_role("region", name="Attempts")
    first = attempts.locator("[data-attempt='1']")
    expect(first).to_contain_text("TRAINER_KILLED")
    expect(first).to_contain_text("SIGKILL")
    expect(attempts.locator("[data-attempt='2']")).to_contain_text(re.compile("waited|at once"))
    expect(page.locator("h1 [data-status=succeeded]")).to_be_visible()
    expect(page.get_by_text("attempt 2 went on at epoch")).to_be_visible()
    page.get_by_role("button", name="Copy for support").click()
    expect(page.get_by_text("Copied as Markdown")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert "### Attempt 1: failed" in copied
    assert "TRAINER_KILLED" in copied


def test_without_the_backend_data_stays_under_a_banner_and_goes_on_afterwards(
    page: Page, platform: Platform, client: Client
) -> None:
    job_id = client.start(dataset_id="digits-classify", epochs=5, settings={"images_per_s_limit": 1200})
    page.goto(f"{platform.address}/jobs/{job_id}")
    expect(page.get_by_role("img", name="Loss over")).to_be_visible()
    for pid in platform.processes("app.cli serve"):
        os.kill(pid, signal.SIGKILL)
    banner = page.get_by_text("Live updates paused")
    expect(banner).to_be_visible()
    expect(page.get_by_role("img", name="Loss over")).to_be_visible()
    expect(banner).to_have_count(0)
    expect(page.locator("h1 [data-status=succeeded]")).to_be_visible()
    epochs = [item["epoch"] for item in client.get(f"/training-jobs/{job_id}/metrics")["items"]]
    page.get_by_role("button", name="Show table").click()
    expect(page.get_by_role("row")).to_have_count(1 + len(epochs))


@pytest.mark.skipif(
    not (ROOT / "trainers" / "ultralytics" / ".venv").is_dir(), reason="needs the Ultralytics trainer's environment"
)
def test_the_log_opens_at_the_evidence_and_every_line_has_an_address(
    page: Page, platform: Platform, client: Client, shots: Path
) -> None:
    upload = page.request.post(
        f"{client.base}/weights?name=broken.pt", data=b"no weights", headers={"Content-Type": "application/octet-stream"}
    )
    broken_weights = {"framework": "ultralytics", "model": "yolo11n-cls", "weights_id": upload.json()["weights_id"]}
    job_id = client.start(dataset_id="digits-classify", **broken_weights, image_size=64)
    page.goto(f"{platform.address}/jobs/{job_id}")
    expect(page.locator("h1 [data-status=failed]")).to_be_visible()
    expect(page.get_by_role("alert")).to_contain_text("cannot be loaded")
    page.get_by_role("button", name="Show in log").first.click()
    log = page.get_by_role("region", name="Lines of the log")
    expect(log).to_be_focused()
    line = int(page.url.rsplit("#L", 1)[1])
    expect(log.locator(f"[data-line='{line}']")).to_be_in_viewport()
    clean_in_both_themes(page, "job-log-at-the-evidence", shots)
    page.get_by_label("Search the log").fill("traceback")
    expect(page.get_by_text("1 of ")).to_be_visible()
    page.get_by_label("Level").select_option("errors")
    expect(log.locator("[data-line]").first).to_contain_text("error:")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    assert "Traceback" in download.value.path().read_text()
    other = page.context.new_page()
    other.goto(f"{platform.address}/jobs/{job_id}#L2")
    expect(other.locator("[data-line='2']")).to_be_in_viewport()
    other.close()


def test_a_change_is_reviewed_in_the_form_and_keeps_the_lineage(
    page: Page, platform: Platform, client: Client, shots: Path
) -> None:
    job_id = client.start(dataset_id="digits-classify", epochs=500, seed=7)
    client.post(f"/training-jobs/{job_id}/cancel", {})
    until(lambda: client.status(job_id) in ("cancelled", "failed"), f"the end of {job_id}")
    page.goto(f"{platform.address}/jobs/{job_id}")
    page.get_by_role("button", name="Train again").click()
    changes = page.get_by_role("region", name=f"Changes against {job_id}")
    expect(changes).to_contain_text("Nothing is changed yet")
    page.get_by_label("Epochs").fill("2")
    page.get_by_label("Seed").fill("")
    expect(changes).to_contain_text("epochs")
    expect(changes).to_contain_text("was 500becomes 2")
    expect(changes).to_contain_text("was 7becomes not set")
    clean_in_both_themes(page, "new-changes", shots)
    page.get_by_role("button", name="Start training").click()
    page.wait_for_url("**/jobs/J-*")
    expect(page.get_by_role("link", name=job_id)).to_be_visible()
    successor = page.url.rsplit("/", 1)[1]
    assert client.get(f"/training-jobs/{job_id}")["retried_as"] == successor
    config = client.get(f"/training-jobs/{successor}")["config"]
    assert (config["epochs"], config["seed"]) == (2, 0)
    page.goto(f"{platform.address}/jobs/{successor}?compare={job_id}")
    expect(page.get_by_role("region", name=f"From {job_id} to {successor}")).to_contain_text("epochswas 500becomes 2")


def test_a_running_job_is_cancelled_after_a_question(page: Page, platform: Platform, client: Client, shots: Path) -> None:
    job_id = client.start(dataset_id="digits-classify", epochs=500, settings={"images_per_s_limit": 500})
    page.goto(f"{platform.address}/jobs/{job_id}")
    expect(page.locator("h1 [data-status=running]")).to_be_visible()
    page.get_by_role("button", name="Cancel", exact=True).click()
    clean_in_both_themes(page, "job-cancel", shots)
    page.get_by_role("button", name="Cancel the job").click()
    expect(page.locator("h1 [data-status=cancelled]")).to_be_visible()


def test_the_list_tells_reasons_narrows_and_obeys_the_keyboard(
    page: Page, platform: Platform, client: Client, broken: str, shots: Path
) -> None:
    job_id = client.start(dataset_id=broken, name="refused for the list")
    page.goto(platform.address)
    row = page.get_by_role("listitem").filter(has_text="refused for the list")
    expect(row).to_contain_text("DATASET_BROKEN")
    expect(row).to_contain_text("7 images cannot be read")
    row.get_by_role("button", name="DATASET_BROKEN").click()
    expect(page).to_have_url(f"{platform.address}/?code=DATASET_BROKEN")
    page.keyboard.press("/")
    page.keyboard.type("refused for")
    page.keyboard.press("Escape")
    expect(page.get_by_text("1 found")).to_be_visible()
    first_failure_by_keyboard(page, job_id, "7 images cannot be read")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    clean_in_both_themes(page, "help", shots)
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.goto(f"{platform.address}/?q=no-such-job")
    expect(page.get_by_text("No job matches your search")).to_be_visible()


def test_what_is_not_there_is_said_and_the_way_back_is_offered(page: Page, platform: Platform) -> None:
    page.goto(f"{platform.address}/jobs/J-404404")
    expect(page.get_by_role("heading", name="J-404404")).to_be_focused()
    expect(page.get_by_role("link", name="All jobs")).to_be_visible()
    page.goto(f"{platform.address}/no/such/page")
    expect(page.get_by_text("There is no page at this address")).to_be_visible()


def test_a_crash_of_one_page_leaves_the_others(page: Page, platform: Platform, shots: Path) -> None:
    nonsense = {"job_id": "J-1", "status": "failed", "error": {"message": 3}}
    page.route("**/api/v1/training-jobs/J-1", lambda route: route.fulfill(json=nonsense))
    page.goto(f"{platform.address}/jobs/J-1")
    expect(page.get_by_role("heading", name="This part of the page has crashed")).to_be_focused()
    clean_in_both_themes(page, "crashed", shots)
    page.get_by_role("button", name="Copy report").click()
    expect(page.get_by_text("Report copied")).to_be_visible()
    assert "page: /jobs/J-1" in page.evaluate("navigator.clipboard.readText()")
    page.get_by_role("link", name="Data sets").click()
    expect(page.get_by_role("heading", name="Data sets", exact=True)).to_be_visible()


def test_a_rule_is_tried_over_stored_failures_before_it_counts(
    page: Page, platform: Platform, client: Client, shots: Path
) -> None:
    job_id = client.start(dataset_id="digits-classify", epochs=50, settings={"images_per_s_limit": 1500})
    os.kill(until(lambda: platform.training(job_id), "a training process"), signal.SIGKILL)
    until(lambda: client.get(f"/training-jobs/{job_id}/attempts")["items"][0]["diagnosis"], "a stored failure")
    client.post(f"/training-jobs/{job_id}/cancel", {})
    page.goto(f"{platform.address}/system")
    expect(page.get_by_role("region", name="What the platform depends on")).to_contain_text("Trainer Service")
    page.get_by_role("link", name="Rules of the diagnosis").click()
    page.get_by_label("Pattern").fill("(unclosed")
    page.get_by_label("Label").fill("machine is under repair")
    trial = page.get_by_role("button", name="Try it over stored failures")
    trial.click()
    expect(page.locator("#field-pattern-error")).to_be_visible()
    expect(page.locator("#field-code-error")).to_contain_text("would do nothing")
    page.get_by_label("Pattern").fill("SIGKILL|exit")
    page.get_by_label("Keep the job's next attempts off this machine").check()
    trial.click()
    expect(page.get_by_text("stored failures", exact=False).last).to_contain_text("stored failures")
    clean_in_both_themes(page, "rules-trial", shots)
    page.get_by_role("button", name="Add the rule").click()
    rules = page.get_by_role("region", name="Rules", exact=True)
    expect(rules).to_contain_text("machine is under repair")
    rules.get_by_role("button", name="Delete the rule machine is under repair").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(rules).to_contain_text("No rule yet")


def pages_of(client: Client, broken: str) -> list[str]:
    """One address of each kind of page, with a job that succeeded and one that failed."""
    by_status = {job["status"]: job["job_id"] for job in client.get("/training-jobs")["items"]}
    jobs = [f"/jobs/{by_status[status]}" for status in ("succeeded", "failed")]
    return [
        "/",
        *jobs,
        "/datasets",
        f"/datasets/{broken}",
        f"/new?dataset={broken}",
        "/system",
        "/rules",
        "/login",
        "/nowhere",
    ]


def shown(page: Page, address: str) -> None:
    """Opens a page and waits until nothing of it is being fetched any more."""
    page.goto(address)
    expect(page.locator("main h1").first).to_be_attached()
    expect(page.locator(".skeleton")).to_have_count(0)


@pytest.fixture(scope="module")
def both_ends(context: BrowserContext, platform: Platform, broken: str) -> None:
    """A job that succeeded and one that was refused."""
    client = Client(context, platform.address)
    for dataset_id, end in ((broken, "failed"), ("digits-classify", "succeeded")):
        job_id = client.start(dataset_id=dataset_id, epochs=2)
        until(lambda job_id=job_id, end=end: client.status(job_id) == end, f"{job_id} {end}")


@pytest.mark.usefixtures("both_ends")
def test_every_page_is_accessible_whole_in_reach_and_at_rest(
    page: Page, platform: Platform, client: Client, broken: str, shots: Path
) -> None:
    """In light and dark, on a screen of 320 px, at 200 %, and where motion is to be reduced."""
    found = {}
    for path in pages_of(client, broken):
        shown(page, platform.address + path)
        end = page.locator("h1 [data-status]")
        words = [
            path.split("?")[0].strip("/").split("/")[0] or "list",
            *(end.get_attribute("data-status") or "" for _ in end.all()),
        ]
        found[path] = faults(page, "-".join(["page", *words]), shots)
    assert not any(found.values()), json.dumps(found, indent=1)
