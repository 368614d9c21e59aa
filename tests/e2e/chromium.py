"""The real Chromium of page tests: where it is, how it is started, and what the tests that use it need besides."""

import base64
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

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


ZOOMED = {"width": 640, "height": 450, "deviceScaleFactor": 2, "mobile": False}
"""What is left of a window of 1280 by 900 at 200 %: half the pixels of CSS, each twice as large."""
CUT_OFF = """() => {
  const faults = [], root = document.querySelector("dialog[open]") ?? document.body;
  const name = (e) => `${e.tagName.toLowerCase()} "${(e.ariaLabel || e.innerText || e.id).trim().slice(0, 60)}"`;
  const over = document.documentElement.scrollWidth - window.innerWidth;
  if (over > 0) faults.push(`the page is ${over} px too wide`);
  for (const e of root.querySelectorAll("*")) {
    if (!e.checkVisibility({visibilityProperty: true}) || e.clientWidth <= 1 || !e.innerText) continue;
    const style = getComputedStyle(e), shortened = style.textOverflow === "ellipsis" && e.title;
    if (/hidden|clip/.test(style.overflowX) && e.scrollWidth > e.clientWidth + 1 && !shortened)
      faults.push(`${name(e)} is cut off by ${e.scrollWidth - e.clientWidth} px`);
  }
  return faults;
}"""
"""Text that is wider than its place and can neither be scrolled to nor be read as a title."""
OUT_OF_REACH = """() => {
  const faults = [], root = document.querySelector("dialog[open]") ?? document.body;
  const name = (e) => `${e.tagName.toLowerCase()} "${(e.ariaLabel || e.innerText || e.id).trim().slice(0, 60)}"`;
  const begun = document.activeElement;
  const controls = "a[href], button, input, select, textarea, summary, [tabindex='0']";
  const forth = [...root.querySelectorAll(controls)];
  for (const e of [...forth, ...forth.toReversed()]) {
    if (e.disabled || e.tabIndex < 0 || !e.checkVisibility({visibilityProperty: true})) continue;
    e.focus();
    if (document.activeElement !== e) { faults.push(`${name(e)} takes no focus`); continue; }
    const box = e.getClientRects()[0];
    if (box.width <= 1) continue;
    const left = Math.max(box.left, 0), right = Math.min(box.right, window.innerWidth);
    const top = Math.max(box.top, 0), bottom = Math.min(box.bottom, window.innerHeight);
    if (left >= right || top >= bottom) { faults.push(`${name(e)} is out of sight`); continue; }
    const hit = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
    if (hit && !e.contains(hit) && !hit.contains(e) && !hit.closest("[data-sonner-toaster]"))
      faults.push(`${name(e)} is hidden by ${name(hit)}`);
  }
  document.activeElement?.blur();
  if (begun !== document.body) begun?.focus?.();
  window.scrollTo(0, 0);
  return [...new Set(faults)];
}"""
"""Controls that a keyboard, on its way there and back, does not reach, or that are then out of sight or behind something."""
MOVING = "document.getAnimations().filter((one) => one.playState === 'running').map((one) => one.effect.target.outerHTML)"


def layout_faults(page: Page, state: str, shots: Path) -> dict[str, list[str]]:
    """What is wrong on a screen of 320 px and at 200 %, and what moves where motion is to be reduced; with pictures."""
    wide = page.viewport_size or {"width": 1280, "height": 900}
    page.emulate_media(reduced_motion="reduce")
    found = {"moving": page.evaluate(MOVING)}
    page.set_viewport_size({"width": 320, "height": 700})
    page.screenshot(path=shots / f"{state}-narrow.png", full_page=True)
    found["at 320 px"] = page.evaluate(CUT_OFF)
    window = page.context.new_cdp_session(page)
    window.send("Emulation.setDeviceMetricsOverride", ZOOMED)
    page.wait_for_function("innerWidth === 640 && devicePixelRatio === 2")
    found["at 200 %"] = [*page.evaluate(CUT_OFF), *page.evaluate(OUT_OF_REACH)]
    # Not playwright's own picture, which is taken of a window of its own size.
    taken = window.send("Page.captureScreenshot", {"format": "png"})["data"]
    (shots / f"{state}-zoomed.png").write_bytes(base64.b64decode(taken))
    window.send("Emulation.clearDeviceMetricsOverride")
    window.detach()
    page.set_viewport_size(wide)
    return found


def faults(page: Page, state: str, shots: Path) -> dict[str, list[str]]:
    """Everything that is wrong with how the page is shown now, by where; a picture of each theme and width is kept."""
    found: dict[str, list[str]] = {}
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        page.screenshot(path=shots / f"{state}-{scheme}.png", full_page=True)
        found[scheme] = axe_faults(page)
    found |= layout_faults(page, state, shots)
    page.emulate_media(color_scheme="light")
    return {where: wrong for where, wrong in found.items() if wrong}


def clean_in_both_themes(page: Page, state: str, shots: Path) -> None:
    """Accessible in light and dark, whole and in reach at 320 px and at 200 %, at rest where motion is to be reduced."""
    wrong = faults(page, state, shots)
    assert not wrong, f"{state}: {json.dumps(wrong, indent=1)}"


class Task(NamedTuple):
    """Milliseconds that a task of a page's main thread took: of processor time, and by the clock on the wall.

    The first is the page's own doing. The second is what a reader waits; while others use the machine, any task lasts as
    long as they let it.
    """

    work: float
    wall: float


def main_thread(trace: bytes) -> list[Task]:
    """The tasks of the pages' main threads, the one with the most work first."""
    events = json.loads(trace)["traceEvents"]
    named = {(item["pid"], item["tid"]): item["args"]["name"] for item in events if item["name"] == "thread_name"}
    mains = {thread for thread, name in named.items() if name == "CrRendererMain"}
    tasks = [item for item in events if item["name"] == "RunTask" and (item["pid"], item["tid"]) in mains]
    timed = [item for item in tasks if "tdur" in item and "dur" in item]
    return sorted((Task(item["tdur"] / 1000, item["dur"] / 1000) for item in timed), reverse=True)


@contextmanager
def traced(page: Page) -> Iterator[list[Task]]:
    """What is done in this block is traced; afterwards the list has its `main_thread`."""
    browser = page.context.browser
    assert browser is not None
    found: list[Task] = []
    browser.start_tracing(page=page, categories=["disabled-by-default-devtools.timeline"])
    yield found
    found.extend(main_thread(browser.stop_tracing()))
    if not found:
        pytest.skip("this Chromium tells no processor time of threads")


VITALS = """() => new Promise((resolve) => {
  const seen = {lcp: 0, cls: 0};
  new PerformanceObserver((list) => { seen.lcp = list.getEntries().at(-1).startTime; })
    .observe({type: "largest-contentful-paint", buffered: true});
  new PerformanceObserver((list) => { for (const e of list.getEntries()) if (!e.hadRecentInput) seen.cls += e.value; })
    .observe({type: "layout-shift", buffered: true});
  setTimeout(() => resolve(seen), 1500);
})"""


def first_failure_by_keyboard(page: Page, job_id: str, heading: str) -> None:
    """Opens the first job of the list and goes to its failure, with keys alone."""
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/jobs/{job_id}")
    failure = page.get_by_role("heading", name=heading)
    expect(failure).to_be_visible()
    page.keyboard.press("f")
    expect(failure).to_be_focused()
