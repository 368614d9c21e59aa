"""The form of a new training in a real Chromium: by the keyboard alone, every refusal at its field, templates, memory."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browsing import ROOT, Client, Platform
from tests.e2e.chromium import MARKS, clean_in_both_themes, first_failure_by_keyboard
from tests.waiting import until

pytestmark = MARKS


def tab_to(page: Page, label: str, most: int = 60) -> None:
    """Presses Tab until the element whose accessible name begins with `label` has the focus."""
    for _ in range(most):
        page.keyboard.press("Tab")
        name = page.evaluate("""() => { const at = document.activeElement;
            return at.ariaLabel || at.labels?.[0]?.innerText || at.innerText || ''; }""")
        if name.strip().startswith(label):
            return
    pytest.fail(f"{label} cannot be reached with Tab")


def choose(page: Page, text: str) -> None:
    """Chooses an option of the focused list by typing its beginning."""
    page.keyboard.type(text)
    page.keyboard.press("Enter")


def test_the_keyboard_alone_goes_from_an_upload_over_a_failure_to_its_fix(
    page: Page, platform: Platform, client: Client
) -> None:
    expect(page.get_by_role("heading", name="Jobs", exact=True)).to_be_visible()
    page.keyboard.press("d")
    expect(page.get_by_role("heading", name="Data sets", exact=True)).to_be_visible()
    expect(page.locator(".skeleton")).to_have_count(0)
    # Asked for well before the key: the browser is told in its own time not to open a dialog of its own.
    with page.expect_file_chooser() as chosen:
        tab_to(page, "Choose a zip")
        page.keyboard.press("Enter")
    chosen.value.set_files(ROOT / "samples" / "digits-broken.zip")
    page.wait_for_url("**/datasets/digits-broken*")
    expect(page.get_by_role("heading", name="Images that end too early")).to_be_visible()
    tab_to(page, "Train on it")
    page.keyboard.press("Enter")
    page.wait_for_url("**/new?dataset=*")
    tab_to(page, "Framework")
    choose(page, "sklearn")
    tab_to(page, "Model")
    choose(page, "sgd-linear")
    tab_to(page, "Epochs")
    page.keyboard.press("Control+a")
    page.keyboard.type("2")
    page.keyboard.press("Enter")
    summary = page.get_by_role("alert").filter(has_text="put right before it can start")
    expect(summary).to_contain_text("Data set")
    expect(page.get_by_label("Data set", exact=True)).to_be_focused()
    tab_to(page, "Train without these 7 files")
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="Check")).to_contain_text("Ready to train")
    expect(summary).to_have_count(0)
    tab_to(page, "Start training")
    page.keyboard.press("Enter")
    page.wait_for_url("**/jobs/J-*")
    expect(page.locator("h1 [data-status=succeeded]")).to_be_visible()


def test_the_keyboard_alone_goes_from_a_failed_job_to_its_fix(page: Page, platform: Platform, client: Client) -> None:
    if not any(item["dataset_id"] == "digits-broken" for item in client.get("/datasets")["items"]):
        client.post("/datasets/samples", {"sample": "digits-broken"})
    until(lambda: client.get("/datasets/digits-broken")["status"] == "invalid", "the report")
    job_id = client.start(dataset_id="digits-broken", epochs=2, name="by hand")
    until(lambda: client.status(job_id) == "failed", f"the end of {job_id}")
    page.goto(platform.address)
    expect(page.get_by_role("listitem").first).to_contain_text("by hand")
    first_failure_by_keyboard(page, job_id, "7 images cannot be read")
    tab_to(page, "Apply and train")
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: re.search(r"/jobs/J-\d+$", url) and not url.endswith(f"/{job_id}"))
    expect(page.locator("h1 [data-status=succeeded]")).to_be_visible()


def test_every_refusal_stands_at_its_field_with_its_fix(page: Page, platform: Platform, client: Client, shots: Path) -> None:
    if not any(item["dataset_id"] == "digits-detect" for item in client.get("/datasets")["items"]):
        client.post("/datasets/samples", {"sample": "digits-detect"})
    page.goto(f"{platform.address}/new?dataset=digits-detect")
    page.get_by_label("Framework", exact=True).select_option("sklearn")
    page.get_by_label("Model", exact=True).select_option("sgd-linear")
    expect(page.locator("#field-model-error")).to_contain_text("the data set is for detect")
    page.get_by_label("Batch size").fill("0")
    expect(page.locator("#field-batch_size-error")).to_contain_text("should be at least 1")
    page.get_by_role("button", name="Start training").click()
    expect(page.get_by_role("alert")).to_contain_text("Batch size")
    clean_in_both_themes(page, "new-refused", shots)


def test_a_training_that_no_machine_fits_is_said_to_wait_and_offered_what_fits(
    page: Page, platform: Platform, shots: Path
) -> None:
    page.goto(f"{platform.address}/new?dataset=digits-classify")
    page.get_by_label("Framework", exact=True).select_option("sklearn")
    page.get_by_label("Model", exact=True).select_option("sgd-linear")
    page.get_by_text("More: device").click()
    page.get_by_label("Device").fill("7")
    check = page.get_by_role("region", name="Check")
    expect(check).to_contain_text("It can be started, but look at this first")
    expect(check).to_contain_text("No machine with sklearn fits this training; it would wait until one does.")
    expect(check).to_contain_text("7 needs 8 GPUs")
    clean_in_both_themes(page, "new-no-machine", shots)
    check.get_by_role("button", name="Review: Device 7 →").click()
    expect(check).to_contain_text("Ready to train")


def test_a_form_begins_with_an_earlier_job_and_knows_its_memory(
    page: Page, platform: Platform, client: Client, shots: Path
) -> None:
    job_id = client.start(dataset_id="digits-classify", name="a template", epochs=3, image_size=16)
    until(lambda: client.status(job_id) == "succeeded", f"the success of {job_id}")
    page.goto(f"{platform.address}/new")
    page.get_by_label("Begin with").select_option(job_id)
    page.wait_for_url(f"**/new?from={job_id}")
    expect(page.get_by_label("Epochs")).to_have_value("3")
    expect(page.get_by_label("Name")).to_have_value("a template")
    memory = page.get_by_role("region", name="Memory")
    expect(memory).to_contain_text("took with a batch of 64")
    expect(memory).to_contain_text("fits")
    expect(page.get_by_role("region", name="How to train").get_by_text("More: device")).to_be_visible()
    clean_in_both_themes(page, "new-from-a-job", shots)
