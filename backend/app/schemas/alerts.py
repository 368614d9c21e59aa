"""Alerts on the wire, as the team on call sees them."""

from typing import Literal

from pydantic import BaseModel, Field

from app.schemas.answers import Stamp


class ToldAlert(BaseModel):
    """An alert that a backend told at once."""

    kind: Literal["critical", "new", "regressed"]
    code: str
    title: str = Field(description="The code's title")
    severity: str
    owner: str | None
    component: str
    message: str
    action: str | None
    times: int = Field(description="How often it happened since it was last told")
    at: Stamp
    group_id: int | None
    job_id: str | None
    trace_id: str | None
    link: str = Field(description="Page of its group, its job or its code")
    runbook: str
    outcome: Literal["sent", "shown", "dropped", "failed"] = Field(description="`shown`: there is no receiver")
    reason: str | None = Field(description="Why it was not delivered")


class HeldAlert(BaseModel):
    """An alert that an Alertmanager holds."""

    name: str
    severity: str | None
    owner: str | None
    summary: str | None
    description: str | None
    since: str | None = Field(description="As Alertmanager tells it")
    state: Literal["firing", "silenced", "inhibited"]
    runbook: str | None
    labels: dict[str, str]


class HeldAlerts(BaseModel):
    """What an Alertmanager says; nothing where it is away."""

    reachable: bool
    reason: str | None = Field(description="Why it could not be asked")
    total: int
    items: list[HeldAlert] = Field(description="The newest 100")


class SystemAlerts(BaseModel):
    """What was told at once lately, and what fires now."""

    receiver: bool = Field(description="Whether somebody is told: `VTP_ALERT_URL`")
    told: list[ToldAlert] = Field(description="The newest 50 of this backend since it was started")
    alertmanager: HeldAlerts | None = Field(description="Null where none is set up: `VTP_ALERTMANAGER_URL`")
