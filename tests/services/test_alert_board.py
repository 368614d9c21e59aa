"""What the System page shows of alerts: those told at once, and those of an Alertmanager, which may be away or another."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from app.clients.alerts import AlertmanagerClient
from app.config import Settings
from app.services.alert_board import AlertBoard, held_view, make_board
from app.services.alerts import Alert, make_alerts

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
HELD = {
    "labels": {"alertname": "AgentLost", "severity": "critical", "owner": "platform", "agent": "gpu-1"},
    "annotations": {"summary": "An agent is gone.", "runbook_url": "http://vtp.internal:8000/runbooks/AgentLost"},
    "startsAt": "2026-01-01T11:58:00.000Z",
    "status": {"state": "active", "silencedBy": [], "inhibitedBy": []},
}


def board(answer: httpx2.Response | Exception | None) -> AlertBoard:
    """A board whose Alertmanager answers like this."""

    def respond(request: httpx2.Request) -> httpx2.Response:
        assert request.url.path == "/api/v2/alerts"
        if isinstance(answer, Exception):
            raise answer
        assert answer is not None
        return answer

    client = AlertmanagerClient("http://alertmanager.test/", httpx2.MockTransport(respond))
    return AlertBoard(make_alerts(None, lambda: "http://vtp.test"), client if answer is not None else None)


async def test_what_was_told_at_once_is_shown_newest_first_with_links_within_the_platform() -> None:
    found = board(None)
    for number in (1, 2):
        await found.alerts.send(Alert("new", "STORAGE_ERROR", "v1:x", "It stopped.", NOW, group_id=number))
    told = (await found.look())["told"]
    assert [item["group_id"] for item in told] == [2, 1]
    assert (told[0]["link"], told[0]["runbook"], told[0]["outcome"]) == ("/failures/2", told[1]["runbook"], "shown")
    assert told[0]["runbook"].startswith(("/runbooks/", "/errors/"))


async def test_what_an_alertmanager_holds_is_shown_newest_first_with_our_own_runbook() -> None:
    older = {**HELD, "startsAt": "2026-01-01T10:00:00.000Z", "status": {"silencedBy": ["s-1"], "inhibitedBy": []}}
    held = (await board(httpx2.Response(200, json=[older, HELD])).look())["alertmanager"]
    assert (held["reachable"], held["total"]) == (True, 2)
    assert [item["state"] for item in held["items"]] == ["firing", "silenced"]
    assert held["items"][0] == {
        "name": "AgentLost",
        "severity": "critical",
        "owner": "platform",
        "summary": "An agent is gone.",
        "description": None,
        "since": "2026-01-01T11:58:00.000Z",
        "state": "firing",
        "runbook": "/runbooks/AgentLost",
        "labels": {"agent": "gpu-1"},
    }


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://wiki.test/page", "https://wiki.test/page"),
        ("http://wiki.test/page", None),
        ("javascript:alert(1)", None),
        ("", None),
    ],
)
def test_a_runbook_elsewhere_is_linked_by_https_only(url: str, shown: str | None) -> None:
    assert held_view({"annotations": {"runbook_url": url}})["runbook"] == shown


def test_an_alert_that_lacks_everything_is_shown_all_the_same_and_secrets_are_not() -> None:
    assert held_view({})["name"] == "alert without a name"
    told = held_view({"annotations": {"summary": "postgres://vtp:hunter2@db.test/vtp is away"}})
    assert "hunter2" not in str(told)


@pytest.mark.parametrize(
    "answer",
    [
        httpx2.ConnectError("refused"),
        httpx2.ReadTimeout("slow"),
        httpx2.Response(503),
        httpx2.Response(404, json={"detail": "no"}),
        httpx2.Response(200, text="<html>hello</html>"),
        httpx2.Response(200, json={"status": "success"}),
    ],
    ids=["refused", "slow", "not ready", "another path", "a page", "another program"],
)
async def test_an_alertmanager_that_cannot_be_asked_says_why_and_hides_nothing_else(answer: Any) -> None:
    found = board(answer)
    await found.alerts.send(Alert("critical", "DATABASE_ERROR", "e1:x", "It broke.", NOW))
    shown = await found.look()
    assert shown["alertmanager"]["reachable"] is False
    assert shown["alertmanager"]["reason"]
    assert shown["alertmanager"]["items"] == []
    assert len(shown["told"]) == 1
    await found.stop()


@pytest.mark.parametrize(
    ("settings", "asked"),
    [
        ({}, None),
        ({"alert_url": "https://chat.test/hook"}, None),
        ({"alert_url": "http://am.test:9093/api/v2/alerts"}, "http://am.test:9093"),
        ({"alert_url": "https://chat.test/hook", "alertmanager_url": "http://am.test:9093/"}, "http://am.test:9093"),
    ],
)
def test_the_alertmanager_is_the_one_that_is_named_or_that_alerts_go_to(
    settings: dict[str, str], asked: str | None, tmp_path: Path
) -> None:
    made = Settings(home=tmp_path, **settings)  # type: ignore[arg-type]
    client = make_board(made, lambda: "").alertmanager
    assert (client.url if client else None) == asked
