"""A platform, a browser and a logged-in context for each file of page tests: what one leaves undone holds up no other."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import Browser, BrowserContext, Page

from tests.e2e.browsing import ROOT, Client, Platform, opened
from tests.e2e.chromium import chromium
from tests.waiting import until


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """`vtp up`, as a user starts it."""
    running = Platform(tmp_path_factory.mktemp("home"))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser; one for each file, as the driver allows no two at once."""
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def context(browser: Browser, platform: Platform) -> Iterator[BrowserContext]:
    """A browser that is logged in, on a platform that can train."""
    made = opened(browser, platform, color_scheme="light")
    client = Client(made, platform.address)
    for sample in ("digits-classify", "digits-detect"):
        client.post("/datasets/samples", {"sample": sample})
    until(lambda: any(item["framework"] == "sklearn" for item in client.get("/frameworks")["items"]), "a trainer")
    yield made
    made.close()


@pytest.fixture
def client(context: BrowserContext, platform: Platform) -> Client:
    """The API as the browser reaches it."""
    return Client(context, platform.address)


@pytest.fixture
def page(context: BrowserContext, platform: Platform) -> Iterator[Page]:
    """A tab; whatever it throws fails the test."""
    tab = context.new_page()
    crashes: list[str] = []
    tab.on("pageerror", lambda error: crashes.append(str(error)))
    tab.goto(platform.address)
    yield tab
    tab.close()
    assert not crashes


@pytest.fixture(scope="session")
def shots() -> Path:
    """Where pictures of pages and states are kept."""
    folder = Path(os.environ.get("VTP_SCREENSHOTS", ROOT / ".make" / "screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder
