"""The tutorial is true: every step that it tells is done on the real page, and every word that it names is there.

`make tutorial` takes its pictures anew; else they only have to exist, each as large as it may be.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from tests.e2e.browsing import ROOT, Platform, opened
from tests.e2e.chromium import MARKS

pytestmark = [*MARKS, pytest.mark.slow]
TEXT = ROOT / "docs" / "tutorial" / "first-training.md"
PICTURES = TEXT.with_suffix("")
WINDOW = {"width": 1120, "height": 760}
COLOURS = 96
LARGEST, LARGEST_OF_ALL = 80_000, 700_000
"""Bytes of a picture, and of all of them."""
WRITE = os.environ.get("VTP_TUTORIAL") == "write"
_PICTURE = re.compile(r"!\[[^\]]+\]\(first-training/([a-z-]+)\.png\)")


class Reader:
    """Someone who does on the page what the tutorial says, step by step; a step ends with its picture."""

    def __init__(self, page: Page) -> None:
        self.page = page
        parts = _PICTURE.split(TEXT.read_text(encoding="utf-8"))
        self.steps = list(zip(parts[1::2], parts[:-1:2], strict=True))
        """The name of each picture with the text that leads to it."""
        assert "**" not in parts[-1], "words after the last picture are seen by nobody"
        self.unseen = self._words()

    def _words(self) -> set[str]:
        """Words of this step that the tutorial says are on the page."""
        return {" ".join(word.split()) for word in re.findall(r"\*\*([^*]+)\*\*", self.steps[0][1])}

    def see(self, *words: str) -> None:
        """Waits for words of this step to be on the page."""
        for word in words:
            assert word in self._words(), f"step {self.steps[0][0]} does not speak of {word}"
            named = self.page.get_by_label(word, exact=True)
            expect(self.page.get_by_text(word).or_(named).locator("visible=true").first).to_be_visible()
            self.unseen.discard(word)

    def press(self, word: str, place: Locator | None = None) -> None:
        """Presses what bears these words: a button, a link, something to be opened."""
        self.see(word)
        inside = place or self.page
        button, link = inside.get_by_role("button", name=word), inside.get_by_role("link", name=word)
        folded = self.page.locator("summary").filter(has_text=word)
        button.or_(link).or_(folded).locator("visible=true").first.click()

    def enter(self, word: str, value: str) -> None:
        """Chooses or types a value that the step names."""
        self.see(word)
        assert f"`{value}`" in self.steps[0][1], f"step {self.steps[0][0]} does not speak of {value}"
        field = self.page.get_by_label(word, exact=True)
        if field.evaluate("field => field.tagName") == "SELECT":
            field.select_option(value)
        else:
            field.fill(value)

    def look(self, *words: str, at: Locator | None = None) -> None:
        """Ends the step: its last words are seen, and its picture is taken where that was asked for."""
        self.see(*words)
        name = self.steps[0][0]
        assert not self.unseen, f"nothing was done about {self.unseen} of step {name}"
        if WRITE:
            (at or self.page.locator("h1").first).evaluate("spot => spot.scrollIntoView({block: 'center'})")
            self._take(PICTURES / f"{name}.png")
        self.steps.pop(0)
        self.unseen = self._words() if self.steps else set()

    def _take(self, path: Path) -> None:
        path.parent.mkdir(exist_ok=True)
        self.page.screenshot(path=path, animations="disabled", style="[data-sonner-toaster] { display: none }")
        with Image.open(path) as taken:
            taken.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)


@pytest.fixture
def reader(browser: Browser, platform: Platform) -> Iterator[Reader]:
    """Someone who has opened the link that `vtp up` printed."""
    context = opened(browser, platform, viewport=WINDOW, color_scheme="light", reduced_motion="reduce")
    page = context.new_page()
    page.goto(platform.address)
    yield Reader(page)
    context.close()


def bring_images(reader: Reader) -> None:
    """Steps 1 and 2."""
    page = reader.page
    reader.look("No training has been started yet")
    reader.press("Bring images")
    reader.see("Choose a zip")
    page.locator("input[type=file]").set_input_files(ROOT / "samples" / "digits-classify.zip")
    page.wait_for_url("**/datasets/digits-classify")
    reader.look("no problem was found", "Facts")


def fill_in(reader: Reader, epochs: str) -> None:
    reader.enter("Framework", "sklearn")
    reader.enter("Model", "mlp-small")
    reader.enter("Epochs", epochs)


def train(reader: Reader) -> None:
    """Steps 3 to 5."""
    page = reader.page
    reader.press("Train on it")
    fill_in(reader, "8")
    reader.look("Check", "Ready to train")
    reader.press("Start training")
    page.wait_for_url("**/jobs/J-1")
    reader.see("Progress")
    page.wait_for_function("() => document.querySelector('[data-points]')?.dataset.points >= 3")
    reader.look("Curves", "Log")
    expect(page.locator("h1 [data-status=succeeded]")).to_be_visible()
    with page.expect_download() as saved:
        reader.press("best.npz")
    assert saved.value.path().stat().st_size > 0
    expect(page.get_by_role("img", name="Confusion matrix")).to_be_visible()
    reader.look("Succeeded", "Files", "Pictures")


def do_without_damaged_files(reader: Reader) -> None:
    """Step 6."""
    page = reader.page
    reader.press("Data sets")
    reader.see("Samples", "Digits with broken files")
    reader.press("Add", page.get_by_role("listitem").filter(has_text="Digits with broken files"))
    reader.see("Has problems")
    reader.press("digits-broken")
    expect(page.get_by_role("img", name="What can be read of").first).to_be_visible()
    reader.look()
    reader.press("Train on it")
    fill_in(reader, "3")
    expect(page.get_by_role("region", name="Check")).to_contain_text("7 images cannot be read")
    reader.look("Check")
    reader.press("Train without these 7 files", page.get_by_role("region", name="Check"))
    reader.see("Ready to train")
    reader.press("Start training")
    page.wait_for_url("**/jobs/J-2")
    expect(page.locator("h1 [data-status=succeeded]")).to_be_visible()
    reader.look("Succeeded")


def run_into_the_limit(reader: Reader) -> None:
    """Step 7."""
    page = reader.page
    reader.press("New training")
    reader.enter("Data set", "digits-classify")
    fill_in(reader, "6")
    reader.press("More: device, early stop, time limit, seed")
    reader.enter("Time limit", "4")
    reader.press("3 settings, all at the framework's own values")
    reader.enter("images_per_s_limit", "1500")
    expect(page.get_by_role("region", name="Check")).to_contain_text("Ready to train")
    reader.press("Start training")
    page.wait_for_url("**/jobs/J-3")
    expect(page.locator("h1 [data-status=failed]")).to_be_visible()
    reader.look("Failed", "Diagnosis", "What to do", "Impact", "Attempts")
    reader.press("Review first")
    page.wait_for_url("**/new?from=J-3*")
    expect(page.get_by_label("Time limit", exact=True)).to_have_value("8")
    reader.enter("Time limit", "60")
    expect(page.get_by_role("region", name="Changes against J-3")).to_contain_text("becomes 60")
    expect(page.get_by_role("region", name="Check")).to_contain_text("Ready to train")
    reader.look()
    reader.press("Start training")
    page.wait_for_url("**/jobs/J-4")
    expect(page.locator("h1 [data-status=succeeded]")).to_be_visible()
    expect(page.get_by_text("retry of J-3")).to_be_visible()
    reader.look("Succeeded")
    page.goto(page.url.replace("J-4", "J-3"))
    expect(page.get_by_text("retried as J-4, succeeded").first).to_be_visible()


def test_a_reader_does_every_step_and_finds_every_word(reader: Reader) -> None:
    bring_images(reader)
    train(reader)
    do_without_damaged_files(reader)
    run_into_the_limit(reader)
    assert reader.steps == []


def test_every_picture_of_the_tutorial_is_there_and_small() -> None:
    named = _PICTURE.findall(TEXT.read_text(encoding="utf-8"))
    there = {path.stem: path.stat().st_size for path in PICTURES.iterdir()}
    assert sorted(there) == sorted(named)
    assert {name: size for name, size in there.items() if size > LARGEST} == {}
    assert sum(there.values()) < LARGEST_OF_ALL
    for name in named:
        with Image.open(PICTURES / f"{name}.png") as picture:
            assert picture.size == (WINDOW["width"], WINDOW["height"]), name
