"""Operators' rules: kept, tried over stored failures, asked in every diagnosis; old failures judged again."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from difflib import get_close_matches
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.clients.storage import Storage
from app.core.error_messages import REGISTRY
from app.core.errors import FieldError, PlatformError
from app.core.logging import get_logger
from app.core.redact import redact
from app.db.models import Attempt, Job, OperatorRule
from app.db.repositories import jobs
from app.db.session import Database, utcnow
from app.diagnosis.diagnose import diagnose
from app.diagnosis.evidence import Diagnosis, Evidence
from app.diagnosis.operator_rules import Rule, RuleHit, matches, pattern_problem, ruled
from app.schemas.rules import RuleDraft
from app.services.callers import OWNER
from app.services.evidence import whole_evidence
from app.services.failed_jobs import judged_anew
from app.services.verdicts import error_of, note_hits, rules_of
from app.services.views import stamp, stored_error

logger = get_logger(__name__)
SCANNED = 200
"""Newest stored failures that a dry run looks at."""
KEPT_VERDICTS = 20


class RuleService:
    """Adds, lists, removes and tries rules; diagnoses stored evidence again."""

    def __init__(self, db: Database, storage: Storage, clock: Callable[[], datetime] = utcnow) -> None:
        self.db = db
        self.storage = storage
        self.clock = clock

    async def add(self, draft: RuleDraft, author: str) -> dict[str, Any]:
        """Keeps a rule; it is asked from the next failure on. Who presents the owner's token may say who they are.

        Raises:
            PlatformError: VALIDATION_FAILED with every field that is wrong.
        """
        _check(draft)

        async def tx(session: AsyncSession) -> dict[str, Any]:
            row = OperatorRule(
                label=draft.label,
                pattern=draft.pattern,
                code=draft.code,
                stop=draft.stop,
                exclude_node=draft.exclude_node,
                created_by=(author == OWNER and draft.created_by) or author,
                created_at=self.clock(),
            )
            session.add(row)
            await session.flush()
            logger.info("rule added", rule_id=row.id, code=row.code, stop=row.stop, exclude_node=row.exclude_node)
            return rule_view(row)

        return await self.db.write(tx)

    async def all(self) -> list[dict[str, Any]]:
        """All rules, in the order in which they are asked."""

        async def look(session: AsyncSession) -> list[dict[str, Any]]:
            rows = await session.scalars(select(OperatorRule).order_by(OperatorRule.id))
            return [rule_view(row) for row in rows]

        return await self.db.read(look)

    async def remove(self, rule_id: int) -> None:
        """Takes a rule out; verdicts that it took part in stay.

        Raises:
            PlatformError: NOT_FOUND.
        """

        async def tx(session: AsyncSession) -> None:
            row = await session.get(OperatorRule, rule_id)
            if row is None:
                raise PlatformError.from_code("NOT_FOUND", {"resource_type": "rule", "resource_id": str(rule_id)})
            await session.delete(row)

        await self.db.write(tx)

    async def dry_run(self, draft: RuleDraft) -> dict[str, Any]:
        """What a rule would have hit among the newest stored failures; nothing is kept.

        Raises:
            PlatformError: VALIDATION_FAILED with every field that is wrong.
        """
        _check(draft)

        async def look(session: AsyncSession) -> Sequence[Attempt]:
            query = select(Attempt).where(Attempt.evidence.is_not(None), Attempt.status == "failed")
            return (await session.scalars(query.order_by(Attempt.created_at.desc()).limit(SCANNED))).all()

        rule, hits, unreadable = _rule_of(draft), [], 0
        stored = await self.db.read(look)
        for attempt in stored:
            evidence = await self._evidence(attempt)
            if evidence is None:
                unreadable += 1
                continue
            found = await asyncio.to_thread(matches, [rule], Evidence.from_dict(evidence))
            hits += [_shown_hit(attempt, hit) for hit in found]
        return {"scanned": len(stored), "hits": hits, "unreadable": unreadable}

    async def _evidence(self, attempt: Attempt) -> dict[str, Any] | None:
        try:
            return await whole_evidence(self.storage, attempt)
        except PlatformError as error:
            logger.warning("stored evidence not readable", job_id=attempt.job_id, attempt=attempt.number, code=error.code)
            return None

    async def diagnose_again(self, job_id: str, number: int) -> dict[str, Any]:
        """Judges an attempt's stored evidence with today's signatures and rules; the old verdict stays in its history.

        The decision that was taken is not taken again: what the job did stays as it was.

        Raises:
            PlatformError: NOT_FOUND; CONFLICT where the attempt has no evidence (yet).
        """

        async def look(session: AsyncSession) -> Attempt:
            return await _ended_attempt(session, job_id, number)

        evidence = await whole_evidence(self.storage, await self.db.read(look))

        async def tx(session: AsyncSession) -> dict[str, Any]:
            attempt, job = await _ended_attempt(session, job_id, number), await jobs.get_job(session, job_id)
            read = Evidence.from_dict(evidence, config=attempt.config)
            rules = await rules_of(session)
            hits = matches(rules, read)
            verdict = ruled(diagnose(read, failed=attempt.status == "failed"), hits)
            note_hits(rules, hits, attempt, self.clock())
            before = dict(attempt.diagnosis or {})
            told = _rejudge(job, attempt, verdict, hits, self.clock())
            await judged_anew(session, attempt, job, before)
            return told

        return await self.db.write(tx)


async def _ended_attempt(session: AsyncSession, job_id: str, number: int) -> Attempt:
    await jobs.get_job(session, job_id)
    attempt = await session.get(Attempt, (job_id, number))
    if attempt is None:
        raise PlatformError.from_code("NOT_FOUND", {"resource_type": "attempt", "resource_id": f"{job_id}/{number}"})
    if not attempt.evidence:
        details = {"reason": f"attempt {number} of {job_id} left no evidence"}
        raise PlatformError.from_code("CONFLICT", details)
    return attempt


def _rejudge(job: Job, attempt: Attempt, verdict: Diagnosis, hits: Sequence[RuleHit], at: datetime) -> dict[str, Any]:
    """Puts a new verdict in the place of the old one, which goes into the history."""
    old, new = attempt.diagnosis or {}, verdict.to_dict()
    history = dict(attempt.history or {})
    verdicts = list(history.get("verdicts") or ())
    changed = old != new
    if changed:
        kept = {key: old.get(key) for key in ("code", "confidence", "fingerprint")}
        verdicts.append({"at": stamp(at), **kept, "evidence": list(old.get("evidence") or ())})
        attempt.history = {**history, "verdicts": verdicts[-KEPT_VERDICTS:]}
        attempt.diagnosis = new
        if attempt.error is not None:
            attempt.error = stored_error(error_of(verdict, attempt.config), at, attempt.error.get("trace_id"))
        if job.status == "failed" and job.attempt == attempt.number:
            job.error, job.code = attempt.error, verdict.code
    shown = ("code", "confidence", "entity", "evidence", "fingerprint")
    told: dict[str, Any] = redact(
        {
            "attempt": attempt.number,
            "changed": changed,
            **{key: new[key] for key in shown},
            "rules": [hit.rule.label for hit in hits],
            "verdicts": verdicts[-KEPT_VERDICTS:],
        }
    )
    return told


def _rule_of(draft: RuleDraft) -> Rule:
    return Rule(0, draft.label, draft.pattern, draft.code, draft.stop, draft.exclude_node)


def _check(draft: RuleDraft) -> None:
    errors = []
    problem = pattern_problem(draft.pattern)
    if problem is not None:
        errors.append(FieldError("#/pattern", "pattern", problem))
    if draft.code is not None and draft.code not in REGISTRY:
        near = get_close_matches(draft.code.upper(), REGISTRY, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        errors.append(FieldError("#/code", "unknown", f"is no failure code{hint}"))
    if not (draft.code or draft.stop or draft.exclude_node):
        errors.append(FieldError("#/code", "missing", "a rule needs a code, stop or exclude_node: it would do nothing"))
    if errors:
        raise PlatformError.from_code("VALIDATION_FAILED", {"field": errors[0].pointer[2:]}, errors=errors)


def _shown_hit(attempt: Attempt, hit: RuleHit) -> dict[str, Any]:
    text = redact({"text": hit.text})["text"]
    code = (attempt.diagnosis or {}).get("code")
    return {"job_id": attempt.job_id, "attempt": attempt.number, "line": hit.line, "text": text, "code": code}


def rule_view(row: OperatorRule) -> dict[str, Any]:
    """A rule as the API shows it."""
    return {
        "rule_id": row.id,
        "label": row.label,
        "pattern": row.pattern,
        "code": row.code,
        "stop": row.stop,
        "exclude_node": row.exclude_node,
        "created_by": row.created_by,
        "created_at": stamp(row.created_at),
        "hits": row.hits,
        "last_hit_at": stamp(row.last_hit_at),
        "last_hit_job": row.last_hit_job,
        "last_hit_attempt": row.last_hit_attempt,
    }
