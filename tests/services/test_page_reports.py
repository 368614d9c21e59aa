"""Reports of the page: grouped by what does not change from build to build, bounded, without secrets."""

import pytest

from app.api.deps import Platform
from app.core.errors import PlatformError
from app.schemas.tracking import PageReport
from app.services.callers import Caller
from app.services.page_reports import A_MINUTE, KINDS_AN_HOUR, PageReports, frames
from tests.conftest import Clock

ANN = Caller("ann", "user")
CHROME = """TypeError: Cannot read properties of undefined (reading 'map')
    at Curves (https://vtp.test/assets/JobPage-B3x9_aQz.js:12:345)
    at renderWithHooks (https://vtp.test/assets/index-Dk2_9fAa.js:9:1)"""
FIREFOX = """Curves@https://vtp.test/assets/JobPage-Zz81kq0p.js:12:340
renderWithHooks@https://vtp.test/assets/index-AAAAbbbb.js:9:1"""


@pytest.fixture
def reports(platform: Platform, clock: Clock) -> PageReports:
    return PageReports(platform.occurrences, clock)


def report(message: str = "Cannot read 'map' of row 17", stack: str = CHROME) -> PageReport:
    return PageReport(name="TypeError", message=message, stack=stack)


def test_places_are_the_same_in_each_browser_and_build() -> None:
    assert frames(CHROME) == frames(FIREFOX) == ["JobPage:Curves", "index:renderWithHooks"]


async def test_numbers_names_and_builds_make_no_new_kind(reports: PageReports) -> None:
    first = reports.take(report(), ANN)["fingerprint"]
    assert reports.take(report("Cannot read 'map' of row 99", FIREFOX), ANN)["fingerprint"] == first
    assert reports.take(report("Cannot read the map"), ANN)["fingerprint"] != first


async def test_one_person_may_tell_so_much_a_minute_and_others_as_well(reports: PageReports, clock: Clock) -> None:
    for _ in range(A_MINUTE):
        reports.take(report(), ANN)
    with pytest.raises(PlatformError) as caught:
        reports.take(report(), ANN)
    assert (caught.value.code, caught.value.retry_after) == ("RATE_LIMITED", 60)
    reports.take(report(), Caller("ben", "user"))
    clock.move(60)
    reports.take(report(), ANN)


async def test_who_makes_up_kinds_without_end_fills_one_group(reports: PageReports, clock: Clock) -> None:
    names = [f"made up {'abcdefghij'[n // 100]}{'abcdefghij'[n // 10 % 10]}{'abcdefghij'[n % 10]}" for n in range(260)]
    told = []
    for number, name in enumerate(names):
        if number % A_MINUTE == 0:
            clock.move(60)
        told.append(reports.take(report(name), ANN)["fingerprint"])
    assert len(set(told)) == KINDS_AN_HOUR + 1
    assert len(set(told[KINDS_AN_HOUR:])) == 1
