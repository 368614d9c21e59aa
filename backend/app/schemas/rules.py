"""Operators' rules on the wire."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from app.schemas.answers import Verdict

Text = Annotated[str, Field(min_length=1, max_length=120)]


class RuleDraft(BaseModel):
    """A rule to try or to add: at least one of `code`, `stop` and `exclude_node` says what it does."""

    model_config = ConfigDict(extra="forbid")
    pattern: Annotated[str, Field(min_length=1, description="RE2, for one line of the log")]
    label: Text = "a rule"
    code: str | None = Field(default=None, description="The failure code that a log with such a line has")
    stop: bool = Field(default=False, description="The job ends as failed, whatever the budget of retries says")
    exclude_node: bool = Field(default=False, description="The job's next attempts run on other machines")
    created_by: Text | None = Field(default=None, description="Who writes it; the user of the token where it is left out")


class RuleView(BaseModel):
    """A rule, who wrote it and what it has hit."""

    rule_id: int
    label: str
    pattern: str
    code: str | None
    stop: bool
    exclude_node: bool
    created_by: str
    created_at: str
    hits: int
    last_hit_at: str | None
    last_hit_job: str | None
    last_hit_attempt: int | None


class RuleList(BaseModel):
    """All rules, in the order in which they are asked."""

    items: list[RuleView]


class DryRunHit(BaseModel):
    """A stored failure that a rule would have hit; `line` 0 is outside of the log."""

    job_id: str
    attempt: int
    line: int
    text: str
    code: str | None = Field(description="The code that it has now")


class DryRun(BaseModel):
    """What a rule would have hit among the newest stored failures; `unreadable` counts those whose log is gone."""

    scanned: int
    hits: list[DryRunHit]
    unreadable: int


class Rejudged(BaseModel):
    """An attempt diagnosed again: the new verdict, and all the earlier ones, newest last."""

    attempt: int
    changed: bool
    code: str
    confidence: float
    entity: str | None
    evidence: list[str]
    fingerprint: str
    rules: list[str] = Field(description="Labels of the rules that took part")
    verdicts: list[Verdict]
