"""Data sets in a real Chromium: an upload that is cut, reloaded and goes on, and what its report offers."""

import os
import shutil
import signal
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from tests.e2e.browsing import ROOT, Client, Platform
from tests.e2e.chromium import MARKS, clean_in_both_themes
from tests.waiting import until

pytestmark = MARKS
PIECE = 8 << 20


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A zip of three pieces: real digits, and ballast that no layout knows."""
    path = tmp_path_factory.mktemp("zips") / "large digits.zip"
    shutil.copyfile(ROOT / "samples" / "digits-classify.zip", path)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_STORED) as archive:
        archive.writestr("notes/ballast.txt", os.urandom(2 * PIECE + 1000).hex()[: 2 * PIECE + 1000])
    return path


def test_an_upload_survives_a_reload_and_a_killed_backend(
    page: Page, platform: Platform, client: Client, large: Path, shots: Path
) -> None:
    sent: list[str] = []
    held = True

    def hold_the_second(route: Route) -> None:
        sent.append(route.request.url.rsplit("offset=", 1)[1])
        if held and sent[-1] != "0":
            route.abort("connectionreset")
        else:
            route.continue_()

    page.route("**/api/v1/uploads/*?offset=*", hold_the_second)
    page.goto(f"{platform.address}/datasets")
    chooser = page.locator("input[type=file]")
    chooser.set_input_files(large)
    expect(page.get_by_role("status").filter(has_text="What has arrived stays")).to_be_visible()
    clean_in_both_themes(page, "datasets-upload-interrupted", shots)
    page.on("dialog", lambda dialog: dialog.accept())
    page.reload()
    unfinished = page.get_by_role("region", name="Unfinished uploads")
    expect(unfinished).to_contain_text("large digits")
    expect(unfinished).to_contain_text(f"{PIECE / 1e6:.1f} MB of")
    clean_in_both_themes(page, "datasets-upload-unfinished", shots)
    held = False
    for pid in platform.processes("app.cli serve"):
        os.kill(pid, signal.SIGKILL)
    until(lambda: page.request.get(f"{client.base}/session").ok, "the backend again")
    sent.clear()
    chooser.set_input_files(large)
    page.wait_for_url("**/datasets/large-digits")
    assert sent[0] == str(PIECE), "what had arrived was sent again"
    expect(page.locator("h1 [data-status=ready]")).to_be_visible()
    assert client.get("/uploads") == {"items": []}
    kept, whole = (client.get(f"/datasets/{name}")["counts"] for name in ("large-digits", "digits-classify"))
    assert kept == whole


def test_a_paused_upload_can_be_discarded(page: Page, platform: Platform, large: Path) -> None:
    page.route("**/api/v1/uploads/*?offset=*", lambda route: None)
    page.goto(f"{platform.address}/datasets")
    page.locator("input[type=file]").set_input_files(large)
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Discard the upload of large digits").click()
    expect(page.get_by_role("region", name="Unfinished uploads")).to_have_count(0)


def test_what_is_no_zip_is_refused_before_it_is_sent(page: Page, platform: Platform, tmp_path: Path, shots: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"x")
    page.goto(f"{platform.address}/datasets")
    page.locator("input[type=file]").set_input_files(tmp_path / "photo.jpg")
    expect(page.get_by_role("alert")).to_contain_text("photo.jpg is not a zip")
    clean_in_both_themes(page, "datasets-not-a-zip", shots)


def test_an_action_that_fails_is_told_where_it_was_asked_for_and_in_one_toast(page: Page, platform: Platform) -> None:
    page.route("**/api/v1/datasets/samples", lambda route: route.abort("connectionrefused"))
    page.goto(f"{platform.address}/datasets")
    samples = page.get_by_role("region", name="Samples")
    samples.get_by_role("button", name="Add Digits, detection").click()
    refusal = samples.get_by_role("alert")
    expect(refusal).to_contain_text("The connection to the platform failed")
    expect(page.locator("[data-sonner-toast]")).to_have_count(1)
    page.unroute("**/api/v1/datasets/samples")
    samples.get_by_role("button", name="Try again").click()
    expect(refusal).to_have_count(0)
    expect(page.get_by_role("listitem").filter(has_text="digits-detect")).to_have_count(2)
