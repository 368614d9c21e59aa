"""The real Chromium of page tests: where it is, how it is started, and what the tests that use it need besides."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import Browser, Page, expect  # noqa: E402

from tests.e2e.browsing import PATIENCE, ROOT  # noqa: E402

SYSTEMS = filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome")))
FETCHED = map(str, Path.home().glob(".cache/ms-playwright/chromium-*/chrome-linux*/chrome"))
CHROMIUM = next(chain(SYSTEMS, FETCHED), None)
DIST = ROOT / "frontend" / "dist"
AXE = ROOT / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
NEEDED = {
    "Chromium": CHROMIUM is not None,
    "the built page (npm run build)": (DIST / "index.html").is_file(),
    "the sample sets": (ROOT / "samples" / "digits-broken.zip").is_file(),
    "the scikit-learn trainer's environment": (ROOT / "trainers" / "sklearn" / ".venv").is_dir(),
}
MISSING = [name for name, there in NEEDED.items() if not there]
MARKS = [pytest.mark.e2e, pytest.mark.browser, pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}")]


@contextmanager
def chromium() -> Iterator[Browser]:
    """A running browser whose expectations are patient."""
    expect.set_options(timeout=PATIENCE * 1000)
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield running
        running.close()


def axe_faults(page: Page) -> list[str]:
    """What axe finds wrong on the page as it is now."""
    if not AXE.is_file():
        pytest.skip("needs axe-core (npm ci)")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    result: dict[str, Any] = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [f"{item['id']}: {node['html'][:200]}" for item in result["violations"] for node in item["nodes"]]


def clean_in_both_themes(page: Page, state: str, shots: Path) -> None:
    """No fault of accessibility in light and dark, nothing wider than a screen of 320 px; a picture of each is kept."""
    wide = page.viewport_size
    found: dict[str, list[str]] = {}
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        page.screenshot(path=shots / f"{state}-{scheme}.png", full_page=True)
        found[scheme] = axe_faults(page)
    page.set_viewport_size({"width": 320, "height": 700})
    over = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    page.screenshot(path=shots / f"{state}-narrow.png", full_page=True)
    page.set_viewport_size(wide or {"width": 1280, "height": 900})
    page.emulate_media(color_scheme="light")
    assert found == {"light": [], "dark": []}, f"{state}: {json.dumps(found, indent=1)}"
    assert over <= 0, f"{state} is {over} px too wide"


LONG_TASKS = """() => {
  window.longTasks = [];
  new PerformanceObserver((list) => window.longTasks.push(...list.getEntries().map((entry) => entry.duration)))
    .observe({type: "longtask", buffered: false});
}"""
VITALS = """() => new Promise((resolve) => {
  const seen = {lcp: 0, cls: 0, tbt: 0};
  new PerformanceObserver((list) => { seen.lcp = list.getEntries().at(-1).startTime; })
    .observe({type: "largest-contentful-paint", buffered: true});
  new PerformanceObserver((list) => { for (const e of list.getEntries()) if (!e.hadRecentInput) seen.cls += e.value; })
    .observe({type: "layout-shift", buffered: true});
  new PerformanceObserver((list) => { for (const e of list.getEntries()) seen.tbt += Math.max(0, e.duration - 50); })
    .observe({type: "longtask", buffered: true});
  setTimeout(() => resolve(seen), 1500);
})"""
