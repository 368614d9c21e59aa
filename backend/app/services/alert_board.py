"""What the team on call sees of alerts: those that this backend told at once, and those that an Alertmanager holds."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from app.clients.alerts import AlertmanagerClient
from app.config import Settings
from app.core.error_messages import REGISTRY
from app.core.errors import PlatformError
from app.core.redact import redact
from app.db.session import utcnow
from app.services.alerts import Alerts, Told, alertmanager_of, as_webhook, make_alerts
from app.services.views import stamp

MOST_SHOWN = 100
"""Alerts of an Alertmanager at most, those that began last first."""
_RUNBOOK = re.compile(r"/runbooks/[A-Za-z][A-Za-z_-]*")


class AlertBoard:
    """Puts both together. An Alertmanager that is away hides nothing of what this backend knows itself."""

    def __init__(self, alerts: Alerts, alertmanager: AlertmanagerClient | None) -> None:
        self.alerts = alerts
        self.alertmanager = alertmanager

    async def look(self) -> dict[str, Any]:
        """What was told lately, and what fires now; `alertmanager` is None where none is set up."""
        told = [told_view(item) for item in reversed(self.alerts.noted)]
        return {
            "receiver": self.alerts.client is not None,
            "told": told,
            "alertmanager": await _held(self.alertmanager) if self.alertmanager is not None else None,
        }

    async def stop(self) -> None:
        """Ends both."""
        await self.alerts.stop()
        if self.alertmanager is not None:
            await self.alertmanager.close()


async def _held(alertmanager: AlertmanagerClient) -> dict[str, Any]:
    try:
        held = await alertmanager.held()
    except PlatformError as error:
        return {"reachable": False, "reason": error.message, "total": 0, "items": []}
    held.sort(key=lambda item: str(item.get("startsAt")), reverse=True)
    shown = [held_view(item) for item in held[:MOST_SHOWN]]
    return {"reachable": True, "reason": None, "total": len(held), "items": shown}


def told_view(told: Told) -> dict[str, Any]:
    """An alert that this backend told, with links within the platform."""
    alert = told.alert
    shown = as_webhook(alert, "")
    same = ("kind", "code", "severity", "owner", "component", "message", "action", "times", "group_id", "job_id", "link")
    return {
        **{key: shown[key] for key in same},
        "title": REGISTRY[alert.code].title,
        "at": stamp(alert.at),
        "trace_id": alert.trace_id,
        "runbook": shown["runbook_url"],
        "outcome": told.outcome,
        "reason": told.reason,
    }


def _texts(value: Any) -> Mapping[str, str]:
    return {str(key): str(redact(text)) for key, text in value.items()} if isinstance(value, Mapping) else {}


def _runbook(url: str) -> str | None:
    """A runbook of ours as a path, under whatever address the rules know the platform; another one by https only."""
    path = urlsplit(url).path
    if _RUNBOOK.fullmatch(path):
        return path
    return url if url.startswith("https://") else None


def held_view(item: Mapping[str, Any]) -> dict[str, Any]:
    """An alert as Alertmanager tells it. Whatever it lacks is left open: its rules are the installation's own."""
    labels, notes = _texts(item.get("labels")), _texts(item.get("annotations"))
    status = item.get("status") if isinstance(item.get("status"), Mapping) else {}
    quiet = next((word for word in ("silenced", "inhibited") if status.get(f"{word}By")), None)
    return {
        "name": labels.get("alertname", "alert without a name"),
        "severity": labels.get("severity"),
        "owner": labels.get("owner"),
        "summary": notes.get("summary"),
        "description": notes.get("description"),
        "since": str(item.get("startsAt") or "") or None,
        "state": quiet or "firing",
        "runbook": _runbook(notes.get("runbook_url", "")),
        "labels": {key: text for key, text in labels.items() if key not in ("alertname", "severity", "owner")},
    }


def make_board(settings: Settings, base_url: Callable[[], str], clock: Callable[[], datetime] = utcnow) -> AlertBoard:
    """The alerts of an installation; its Alertmanager is the one that is named, or the one that alerts go to."""
    alerts = make_alerts(settings.alert_url, base_url, clock)
    url = settings.alertmanager_url or (alertmanager_of(settings.alert_url) if settings.alert_url else None)
    return AlertBoard(alerts, AlertmanagerClient(url) if url else None)
