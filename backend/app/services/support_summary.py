"""The first page of a support bundle: what failed, why we think so, what was tried, in Markdown."""

from collections.abc import Iterable
from typing import Any

LOG_LINES = 40


def summary_of(parts: dict[str, Any], similar: dict[str, Any], log: str, at: str) -> str:
    """The summary; `parts` are freed of secrets already."""
    job, attempts = parts["job"], parts["attempts"]
    error = job["error"] or next((row["error"] for row in reversed(attempts) if row["error"]), None)
    lines = [f"# {job['job_id']}: {error['title'] if error else 'failed'}", ""]
    if error:
        lines += [f"**{error['code']}** {error['message']}", ""]
        if error["suggested_action"]:
            lines += [f"What to do: {error['suggested_action']}", ""]
    lines += ["| | |", "|---|---|", *_facts(job, error, parts["versions"]), ""]
    lines += ["## Why", "", *_why(attempts), ""]
    lines += ["## Attempts", "", *_attempts(attempts), ""]
    lines += _similar(similar)
    lines += [
        "## End of the log",
        "",
        *_fenced(log.rstrip("\n").split("\n")[-LOG_LINES:] if log.strip() else ["(none)"]),
        "",
    ]
    lines += [f"Made {at} by vtp {parts['versions']['vtp']}. Secrets were taken out; look before you send it."]
    return "\n".join(lines) + "\n"


def _facts(job: dict[str, Any], error: dict[str, Any] | None, versions: dict[str, Any]) -> list[str]:
    facts = {
        "status": job["status"],
        "training": f"{job['framework']} {job['model']} on {job['dataset_id']}",
        "submitted": job["created_at"],
        "ended": job["finished_at"] or "not yet",
        "trace id": (error or {}).get("trace_id") or "none",
        "agents": ", ".join(f"{agent['name']} ({agent['version']})" for agent in versions["agents"]) or "none",
    }
    return [f"| {name} | {_cell(value)} |" for name, value in facts.items()]


def _why(attempts: list[dict[str, Any]]) -> list[str]:
    diagnosis = next((row["diagnosis"] for row in reversed(attempts) if row["diagnosis"]), None)
    if diagnosis is None:
        return ["No attempt was made, or none left evidence."]
    sure = f"confidence {diagnosis['confidence']:.0%}" if diagnosis["confidence"] is not None else "confidence unknown"
    about = f", about `{diagnosis['entity']}`" if diagnosis["entity"] else ""
    lines = [f"Diagnosed as {diagnosis['code']} ({sure}){about}, fingerprint `{diagnosis['fingerprint']}`, from:", ""]
    return lines + _fenced(diagnosis["evidence"] or ["(no line)"])


def _attempts(attempts: list[dict[str, Any]]) -> list[str]:
    if not attempts:
        return ["None."]
    rows = ["| attempt | status | epoch | seconds | code | then |", "|---|---|---|---|---|---|"]
    for row in attempts:
        code = (row["diagnosis"] or row["error"] or {}).get("code")
        then = (row["decision"] or {}).get("reason")
        cells = (row["attempt"], row["status"], row["epoch"], row["seconds"], code, then)
        rows.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    return rows


def _similar(similar: dict[str, Any]) -> list[str]:
    group = similar["group"]
    if group is None:
        return []
    lines = [
        f"Seen {group['count']} times since {group['first_seen'][:10]}, {similar['this_week']} this week; {group['state']}."
    ]
    if similar["fix"]:
        lines.append(
            f"{similar['fix']['text'][:1].upper()}{similar['fix']['text'][1:]} (for example {similar['fix']['example']})."
        )
    return ["## Failures like this", "", *lines, ""]


def _cell(value: Any) -> str:
    return "" if value is None else str(value).replace("|", "\\|").replace("\n", " ")


def _fenced(lines: Iterable[str]) -> list[str]:
    """Lines as a block of code; a fence longer than any inside."""
    text = [str(line).rstrip() for line in lines]
    fence = "```"
    while any(fence in line for line in text):
        fence += "`"
    return [fence, *text, fence]
