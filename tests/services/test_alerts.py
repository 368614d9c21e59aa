"""Who is told of what, how often, and in which words."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.api import documents
from app.clients.alerts import AlertClient
from app.core import last_errors
from app.core.error_messages import REGISTRY
from app.core.errors import DatabaseError, PlatformError
from app.db.repositories.errors import GroupChange, Seen
from app.services.alerts import Alert, Alerts, Kinds, as_alertmanager, as_webhook, make_alerts, owner_of, sent_total
from tests.receiver import receiving

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
BASE = "http://vtp.test"


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def alert(**fields: Any) -> Alert:
    known = {"kind": "critical", "code": "DATABASE_ERROR", "fingerprint": "e1:x", "message": "It broke.", "at": NOW}
    return Alert(**{**known, **fields})


def alerts_to(url: str, clock: Clock) -> Alerts:
    return Alerts(AlertClient(url), lambda: BASE, clock)


async def delivered(alerts: Alerts) -> None:
    while not alerts._waiting.empty():
        await alerts.send(alerts._waiting.get_nowait())
    await alerts.client.close()


def outcome(name: str) -> float:
    return sent_total.labels(outcome=name)._value.get()


@pytest.mark.parametrize(("code", "row"), REGISTRY.items())
def test_nobody_is_woken_for_what_users_mend_themselves(code: str, row: Any) -> None:
    assert (owner_of(code) is None) == (row.causer in ("user", "data"))


async def test_a_critical_error_is_told_once_in_a_while_with_how_often_it_happened() -> None:
    clock = Clock()
    with receiving() as receiver:
        alerts = alerts_to(receiver.url, clock)
        for _ in range(5):
            alerts.error(DatabaseError("commit", OSError()), "e1:db", "api", "a" * 32, {"job_id": "J-1"})
        clock.now += timedelta(minutes=16)
        alerts.error(DatabaseError("commit", OSError()), "e1:db", "api", "b" * 32, {})
        await delivered(alerts)
    assert [(body["times"], body["trace_id"]) for body in receiver.bodies] == [(1, "a" * 32), (5, "b" * 32)]
    assert receiver.bodies[0]["link"] == f"{BASE}/jobs/J-1"
    assert receiver.bodies[1]["text"].startswith("Critical: ")
    assert "(5 times)" in receiver.bodies[1]["text"]


async def test_errors_that_are_not_critical_or_the_users_wake_nobody() -> None:
    with receiving() as receiver:
        alerts = alerts_to(receiver.url, Clock())
        for code in ("VALIDATION_FAILED", "CUDA_OOM", "QUOTA_EXCEEDED"):
            alerts.error(PlatformError.from_code(code), "e1:x", "api", "a" * 32, {})
        await delivered(alerts)
    assert receiver.bodies == []


@pytest.mark.parametrize(
    ("code", "told"), [("STORAGE_ERROR", True), ("TRAINER_LOST", True), ("INVALID_MODEL", False), ("DATASET_BROKEN", False)]
)
async def test_serious_kinds_of_failure_are_told_when_they_are_new_or_back(code: str, told: bool) -> None:
    seen = Seen("f1:1", "job", code, "title", NOW, error={"message": "It stopped."}, job_id="J-2")
    with receiving() as receiver:
        alerts = alerts_to(receiver.url, Clock())
        alerts.group(GroupChange("regressed", 7, seen))
        await delivered(alerts)
    assert [(body["kind"], body["group_id"]) for body in receiver.bodies] == ([("regressed", 7)] if told else [])


def test_a_link_leads_to_the_group_to_the_job_or_to_the_page_of_the_code() -> None:
    known = {route.path for route in documents.router.routes}
    assert "/errors/{code}" in known
    page = (Path(__file__).parents[2] / "frontend" / "src" / "router.tsx").read_text(encoding="utf-8")
    assert 'path: "/failures/$groupId"' in page
    assert as_webhook(alert(kind="new", group_id=7, job_id="J-2"), BASE)["link"] == f"{BASE}/failures/7"
    assert as_webhook(alert(job_id="J-2"), BASE)["link"] == f"{BASE}/jobs/J-2"
    assert as_webhook(alert(), BASE)["link"] == f"{BASE}/errors/DATABASE_ERROR"


def test_nothing_internal_is_told() -> None:
    error = DatabaseError("commit", OSError("password=hunter2 SELECT * FROM jobs"))
    alerts = alerts_to("http://receiver.test/", Clock())
    alerts.error(error, "e1:db", "api", "a" * 32, {})
    told = str(as_webhook(alerts._waiting.get_nowait(), BASE))
    assert "hunter2" not in told
    assert "SELECT" not in told


def test_an_alertmanager_is_told_in_its_own_form() -> None:
    (told,) = as_alertmanager(alert(), BASE)
    assert told["labels"] == {
        "alertname": "PlatformError",
        "kind": "critical",
        "code": "DATABASE_ERROR",
        "severity": "critical",
        "owner": owner_of("DATABASE_ERROR"),
        "component": "backend",
        "fingerprint": "e1:x",
    }
    assert told["annotations"]["runbook_url"] == f"{BASE}/runbooks/DatabaseErrors"
    assert told["generatorURL"] == f"{BASE}/errors/DATABASE_ERROR"
    assert told["endsAt"] > told["startsAt"]


async def test_the_form_follows_from_the_address() -> None:
    with receiving() as receiver:
        alerts = alerts_to(receiver.url.replace("/alerts", "/api/v2/alerts"), Clock())
        await alerts.send(alert())
        await alerts.client.close()
    assert isinstance(receiver.bodies[0], list)


async def test_without_a_receiver_alerts_are_noted_for_the_page_and_nothing_is_sent() -> None:
    before = outcome("shown")
    alerts = make_alerts(None, lambda: BASE)
    alerts.error(DatabaseError("commit", OSError()), "e1:x", "api", "a" * 32, {})
    await alerts.send(alerts._waiting.get_nowait())
    assert [(item.outcome, item.alert.code) for item in alerts.noted] == [("shown", "DATABASE_ERROR")]
    assert outcome("shown") - before == 1


def test_a_receiver_that_is_slow_costs_no_memory() -> None:
    alerts = alerts_to("http://receiver.test/", Clock())
    before = outcome("dropped")
    for number in range(150):
        alerts.error(DatabaseError("commit", OSError()), f"e1:{number}", "api", "a" * 32, {})
    assert outcome("dropped") - before == 50
    assert {item.outcome for item in alerts.noted} == {"dropped"}


async def test_an_alert_that_cannot_be_delivered_is_counted_and_is_the_receivers_last_error() -> None:
    before = outcome("failed")
    with receiving() as receiver:
        receiver.statuses = [(403, {})]
        alerts = alerts_to(receiver.url, Clock())
        await alerts.send(alert())
        await alerts.client.close()
    assert outcome("failed") - before == 1
    (noted,) = alerts.noted
    assert noted.outcome == "failed"
    last = last_errors.last("alerts")
    assert last is not None
    assert (last.code, last.beneath) == ("SERVICE_UNAVAILABLE", None)
    assert "403" in str(noted.reason)


def test_kinds_that_were_told_are_remembered_up_to_a_number() -> None:
    kinds = Kinds(most=2)
    assert [kinds.times(kind, NOW) for kind in ("a", "b", "c", "a", "c")] == [1, 1, 1, 1, 0]
