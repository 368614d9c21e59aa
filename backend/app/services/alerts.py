"""Tells the people on call at once: of critical errors, and of kinds of failure that are new or have come back.

The rules of Prometheus see rates; this sees the single error that cannot wait. One kind is told once in a while, however
often it happens; nobody is told of what users have to mend themselves.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from prometheus_client import Counter

from app.clients.alerts import AlertClient
from app.core import last_errors, monitoring
from app.core.error_messages import REGISTRY
from app.core.errors import ErrorSeverity, PlatformError
from app.core.logging import get_logger
from app.core.metrics import contained
from app.core.redact import public_text
from app.core.responses import public
from app.db.repositories.errors import GroupChange
from app.db.session import utcnow
from app.services.occurrences import Occurrences

logger = get_logger(__name__)
AGAIN_AFTER = timedelta(minutes=15)
"""One kind is told again after this long at the earliest, with the number of times it has happened since."""
MOST_KINDS = 1000
MOST_WAITING = 100
MOST_NOTED = 50
LASTS = timedelta(minutes=15)
"""An Alertmanager takes an alert for over when it was not told again for this long."""
OWNERS = {"platform": "platform", "unknown": "platform", "dependency": "infrastructure", "hardware": "infrastructure"}
"""Who looks after what, by whose fault it is; users and their data have nobody to be woken."""
SERIOUS = ("high", "critical")
ALERTMANAGER = "/api/v2/alerts"
sent_total = Counter("platform_alerts_total", "Alerts told at once, by what came of them", ["outcome"])
for _outcome in ("sent", "shown", "repeated", "dropped", "failed"):
    sent_total.labels(outcome=_outcome)


@dataclass(frozen=True, slots=True)
class Alert:
    """What is told. `times` counts it since it was last told."""

    kind: str
    """critical, new or regressed."""
    code: str
    fingerprint: str
    message: str
    at: datetime
    action: str | None = None
    component: str = "backend"
    trace_id: str | None = None
    job_id: str | None = None
    group_id: int | None = None
    times: int = 1


@dataclass(frozen=True, slots=True)
class Told:
    """What became of an alert."""

    alert: Alert
    outcome: str
    """sent; shown, where there is no receiver; dropped, where too many waited; failed."""
    reason: str | None = None


@dataclass(slots=True)
class Kinds:
    """Which kinds were told lately, and how often each has happened since."""

    again_after: timedelta = AGAIN_AFTER
    most: int = MOST_KINDS
    _told: "OrderedDict[str, tuple[datetime, int]]" = field(default_factory=OrderedDict)

    def times(self, kind: str, now: datetime) -> int:
        """How often `kind` has happened since it was last told, this time included; 0 where it is too soon to tell again."""
        last, since = self._told.get(kind, (None, 0))
        if last is not None and now - last < self.again_after:
            self._told[kind] = (last, since + 1)
            return 0
        self._told[kind] = (now, 0)
        self._told.move_to_end(kind)
        if len(self._told) > self.most:
            self._told.popitem(last=False)
        return since + 1


def owner_of(code: str) -> str | None:
    """Who is told of a code; None: nobody."""
    row = REGISTRY.get(code)
    return OWNERS.get(row.causer) if row else OWNERS["unknown"]


def as_webhook(alert: Alert, base: str) -> dict[str, Any]:
    """The form for any receiver of JSON; chat programs show its `text`."""
    row = REGISTRY[alert.code]
    heading = {"critical": "Critical", "new": "New", "regressed": "Back again"}[alert.kind]
    times = f" ({alert.times} times)" if alert.times > 1 else ""
    link = _link(alert, base)
    return {
        "text": f"{heading}: {alert.message}{times} [{alert.code}] {link}",
        "kind": alert.kind,
        "code": alert.code,
        "severity": row.severity,
        "causer": row.causer,
        "owner": owner_of(alert.code),
        "component": alert.component,
        "message": alert.message,
        "action": alert.action,
        "times": alert.times,
        "fingerprint": alert.fingerprint,
        "group_id": alert.group_id,
        "trace_id": alert.trace_id,
        "job_id": alert.job_id,
        "at": alert.at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "link": link,
        "runbook_url": _runbook(alert.code, base),
    }


def as_alertmanager(alert: Alert, base: str) -> list[dict[str, Any]]:
    """The form of Alertmanager's interface; its routes, groups and silences hold as for the alerts of Prometheus."""
    told = as_webhook(alert, base)
    labels = {"alertname": "PlatformError", **{key: told[key] for key in ("kind", "code", "severity", "owner", "component")}}
    annotations = {
        "summary": alert.message,
        "description": told["text"],
        "runbook_url": told["runbook_url"],
        "trace_id": alert.trace_id or "",
        "job_id": alert.job_id or "",
    }
    return [
        {
            "labels": {**labels, "fingerprint": alert.fingerprint},
            "annotations": annotations,
            "startsAt": alert.at.isoformat(),
            "endsAt": (alert.at + LASTS).isoformat(),
            "generatorURL": told["link"],
        }
    ]


def _link(alert: Alert, base: str) -> str:
    """Where it is looked at: the page of its group or job, else that of its code."""
    if alert.group_id is not None:
        return f"{base}/failures/{alert.group_id}"
    if alert.job_id is not None:
        return f"{base}/jobs/{alert.job_id}"
    return f"{base}/errors/{alert.code}"


def _runbook(code: str, base: str) -> str:
    page = REGISTRY[code].runbook
    return f"{base}/runbooks/{page}" if page else f"{base}/errors/{code}"


class Alerts:
    """Decides what is told, and tells it from a task of its own: nothing waits for a receiver. Without one, the System page
    alone shows it."""

    def __init__(
        self, client: AlertClient | None, base_url: Callable[[], str], clock: Callable[[], datetime] = utcnow
    ) -> None:
        self.client = client
        self.noted: deque[Told] = deque(maxlen=MOST_NOTED)
        """What was told lately, the newest last."""
        self.base_url = base_url
        self.clock = clock
        self.kinds = Kinds()
        self._form = as_alertmanager if client is not None and alertmanager_of(client.url) else as_webhook
        self._waiting: asyncio.Queue[Alert] = asyncio.Queue(MOST_WAITING)
        self._task: asyncio.Task[None] | None = None

    def error(self, error: PlatformError, fingerprint: str, component: str, trace_id: str, where: Mapping[str, Any]) -> None:
        """An error was reported: tells it where it is critical."""
        if error.severity is not ErrorSeverity.CRITICAL:
            return
        shown = public(error, trace_id=trace_id)
        job_id = where.get("job_id")
        self._tell(
            Alert(
                kind="critical",
                code=error.code,
                fingerprint=fingerprint,
                message=shown["message"],
                action=shown["suggested_action"],
                component=component,
                trace_id=trace_id,
                job_id=job_id if isinstance(job_id, str) else None,
                at=self.clock(),
            )
        )

    def group(self, change: GroupChange) -> None:
        """A kind of failure is new or has come back: tells it where it is serious and not for its user to mend."""
        seen = change.seen
        row = REGISTRY.get(seen.code)
        if row is None or row.severity not in SERIOUS:
            return
        message = seen.error.get("message") or public_text(seen.title)
        self._tell(
            Alert(
                kind=change.kind,
                code=seen.code,
                fingerprint=seen.fingerprint,
                message=message,
                action=seen.error.get("suggested_action"),
                component=seen.source,
                trace_id=seen.trace_id,
                job_id=seen.job_id,
                group_id=change.group_id,
                at=seen.at,
            )
        )

    def _tell(self, alert: Alert) -> None:
        if owner_of(alert.code) is None:
            return
        times = self.kinds.times(f"{alert.code} {alert.fingerprint}", self.clock())
        if times == 0:
            sent_total.labels(outcome="repeated").inc()
            return
        try:
            self._waiting.put_nowait(replace(alert, times=times))
        except asyncio.QueueFull:
            self._note(alert, "dropped")

    def start(self, occurrences: Occurrences) -> None:
        """Begins to listen and to send."""
        monitoring.listeners.append(self.error)
        occurrences.observers.append(self.group)
        self._task = asyncio.create_task(self._run(), name="alerts")

    async def stop(self) -> None:
        """Ends; what waits is not sent any more."""
        if self.error in monitoring.listeners:
            monitoring.listeners.remove(self.error)
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        if self.client is not None:
            await self.client.close()

    async def _run(self) -> None:
        while True:
            alert = await self._waiting.get()
            with contained("alerts"):
                await self.send(alert)

    async def send(self, alert: Alert) -> None:
        """Sends one alert; one that cannot be delivered is logged and counted, for there is nobody else to tell."""
        if self.client is None:
            self._note(alert, "shown")
            return
        try:
            await self.client.send(self._form(alert, self.base_url()))
        except PlatformError as error:
            self._note(alert, "failed", error.message)
            last_errors.note("alerts", PlatformError.from_code("SERVICE_UNAVAILABLE", cause=error))
            logger.warning("alert not delivered", code=alert.code, reason=error.message)
            return
        self._note(alert, "sent")

    def _note(self, alert: Alert, outcome: str, reason: str | None = None) -> None:
        sent_total.labels(outcome=outcome).inc()
        self.noted.append(Told(alert, outcome, reason))


def alertmanager_of(url: str) -> str | None:
    """The address of the Alertmanager that alerts go to; None where their receiver is another."""
    url = url.rstrip("/")
    return url.removesuffix(ALERTMANAGER) if url.endswith(ALERTMANAGER) else None


def make_alerts(url: str | None, base_url: Callable[[], str], clock: Callable[[], datetime] = utcnow) -> Alerts:
    """The alerts to `url`; without one they are shown only."""
    return Alerts(AlertClient(url) if url else None, base_url, clock)
