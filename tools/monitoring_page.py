"""The reference page of metrics and alerts, made from the metrics' registry and the rules' file."""

import re
from pathlib import Path
from typing import Any

import yaml

from tools.reference import MADE

ROOT = Path(__file__).resolve().parents[1]
RULES = ROOT / "monitoring" / "alertmanager" / "rules.yml"
OURS = ("platform_", "training_", "api_", "error_")
SUFFIXES = {"counter": "_total"}
_LABEL = re.compile(r"\{\{ \$labels\.(\w+) \}\}")


def metrics() -> str:
    """Every metric of the backend with type, labels and meaning, and every alert with what it is asked."""
    rows = [
        f"| `{name}` | {kind} | {', '.join(f'`{label}`' for label in labels)} | {told} |"
        for name, kind, labels, told in sorted(_known())
    ]
    alerts = [
        _alert(rule)
        for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
        for rule in group["rules"]
        if "alert" in rule
    ]
    return "\n".join(
        [
            "# Metrics and alerts",
            "",
            MADE,
            "",
            "`GET /metrics` of the backend. Labels take few values: codes of the registry, templates of routes, parts of",
            "the platform; never the id of anything.",
            "",
            "| metric | type | labels | meaning |",
            "|---|---|---|---|",
            *rows,
            "",
            "## Alerts",
            "",
            "Of `monitoring/alertmanager/rules.yml`. critical wakes somebody, high is looked at today, warning when there",
            "is time.",
            "",
            "| alert | severity | owner | after | what it says |",
            "|---|---|---|---|---|",
            *alerts,
            "",
        ]
    )


def _alert(rule: dict[str, Any]) -> str:
    labels, told = rule["labels"], _LABEL.sub(r"(\1)", rule["annotations"]["summary"])
    cells = (f"[{rule['alert']}](../runbooks/{_page(rule)}.md)", labels["severity"], labels["owner"])
    return f"| {' | '.join(cells)} | {rule.get('for', 'at once')} | {told} |"


def _page(rule: dict[str, Any]) -> str:
    return str(rule["annotations"]["runbook_url"]).rpartition("/")[2]


def _known() -> list[tuple[str, str, tuple[str, ...], str]]:
    """Name, type, labels and meaning of each metric that the backend registers."""
    from prometheus_client import REGISTRY

    import app.main  # noqa: F401 - importing it registers the metrics

    found = []
    for collector in list(REGISTRY._collector_to_names):  # noqa: SLF001 - the library lists them nowhere else
        described = collector.describe() if hasattr(collector, "describe") else collector.collect()
        for family in described:
            if family.name.startswith(OURS):
                labels = tuple(getattr(collector, "_labelnames", ())) or _labels(family)
                found.append((family.name + SUFFIXES.get(family.type, ""), family.type, labels, family.documentation))
    return found


def _labels(family: Any) -> tuple[str, ...]:
    return tuple(getattr(family, "_labelnames", ()))
