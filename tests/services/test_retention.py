"""The error tracking forgets by its policy, in small steps, and nothing else."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from app.api.deps import Platform
from app.db.repositories.errors import record
from app.db.tracking import ErrorCount, ErrorGroup, ErrorOccurrence
from app.services import retention
from app.services.retention import Keep, Retention
from tests.conftest import Clock
from tests.services.test_storms import ONE, other


async def numbers(platform: Platform) -> tuple[int, ...]:
    return tuple(
        [
            int(await platform.db.read(lambda session, table=table: session.scalar(select(func.count()).select_from(table))))
            for table in (ErrorOccurrence, ErrorCount, ErrorGroup)
        ]
    )


async def test_old_occurrences_figures_and_groups_go_and_the_rest_stays(
    platform: Platform, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await platform.retention.hourly.stop()  # it would do the work
    monkeypatch.setattr(retention, "AT_ONCE", 2)
    batch = [replace(ONE, at=clock() - timedelta(days=day)) for day in (400, 100, 20, 1)]
    batch += [replace(other(7), at=clock() - timedelta(days=400))] * 3
    await platform.db.write(lambda session: record(session, batch))
    gone = await Retention(platform.db, Keep(90, 1000, 365), clock).once()
    # Of the second group its group takes the rest along, whose figures were gone before.
    assert gone == {"occurrences": 5, "hours": 4, "days": 6, "groups": 1}
    assert await numbers(platform) == (2, 1 + 2 * 2, 1)
    assert await platform.db.read(lambda session: session.scalar(select(ErrorGroup.count))) == 4


async def test_more_than_the_policy_keeps_is_no_more(platform: Platform, clock: Clock) -> None:
    await platform.retention.hourly.stop()
    await platform.db.write(lambda session: record(session, [replace(ONE, at=clock())] * 30))
    gone = await Retention(platform.db, Keep(90, 10, 365), clock).once()
    assert gone["occurrences"] == 20
    assert (await numbers(platform))[0] == 10
