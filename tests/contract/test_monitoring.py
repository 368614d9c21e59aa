"""Rules, routes, dashboards and runbooks fit each other; every rule has its firing and its silent case."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.api import documents, error_groups, errors, system

ROOT = Path(__file__).resolve().parents[2]
MONITORING = ROOT / "monitoring"
RULES = MONITORING / "alertmanager" / "rules.yml"
CASES = sorted((MONITORING / "prometheus").glob("*rules_test.yml"))
ALERTS: list[dict[str, Any]] = [
    rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"] if "alert" in rule
]
OF_THE_DOCUMENT = {"HighCriticalErrorRate", "HighTrainingFailureRate", "APIErrorSpike", "DatabaseErrors"}
SECTIONS = ("## First three commands", "## Do", "## Is it good again?")


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs a tool of Prometheus."""
    if shutil.which(str(command[0])) is None:
        pytest.skip(f"{command[0]} is not installed (Debian: prometheus, prometheus-alertmanager)")
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, timeout=100)


def test_the_alerts_of_the_design_document_are_there_by_name() -> None:
    assert {alert["alert"] for alert in ALERTS} >= OF_THE_DOCUMENT


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_says_how_bad_whose_and_what_to_do(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in ("critical", "high", "warning")
    assert alert["labels"]["owner"] in ("platform", "infrastructure")
    assert alert["annotations"]["summary"]
    assert alert["annotations"]["description"]
    page = alert["annotations"]["runbook_url"].removeprefix("{{ $externalLabels.vtp_url }}/runbooks/")
    text = (ROOT / "docs" / "runbooks" / f"{page}.md").read_text()
    assert f"`{alert['alert']}`" in text
    assert "Users" in text
    positions = [text.index(section) for section in SECTIONS]
    assert positions == sorted(positions)
    commands = re.search(r"```text\n(.*?)```", text, re.DOTALL)
    assert commands is not None
    assert len(commands[1].strip().splitlines()) == 3


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_has_a_firing_and_a_silent_case(alert: dict[str, Any]) -> None:
    cases = [
        case["exp_alerts"]
        for file in CASES
        for test in yaml.safe_load(file.read_text())["tests"]
        for case in test["alert_rule_test"]
        if case["alertname"] == alert["alert"]
    ]
    assert any(cases)
    assert not all(cases)


def test_addresses_that_runbooks_ask_exist() -> None:
    known = {route.path for module in (documents, error_groups, errors, system) for route in module.router.routes}
    known |= {route.path for route in system.metrics_router.routes}
    texts = [path.read_text() for path in (ROOT / "docs" / "runbooks").glob("*.md")]
    asked = {path for text in texts for path in re.findall(r"\$VTP_URL(/[\w/-]+)", text)}
    assert len(asked) > 3
    assert asked <= known


def test_no_alert_counts_what_users_have_to_mend() -> None:
    for alert in ALERTS:
        if "training_jobs_total" in alert["expr"] and 'outcome="failed"' in alert["expr"]:
            assert re.search(r'causer=~"platform\|hardware\|dependency\|unknown"', alert["expr"])


@pytest.mark.parametrize("file", CASES, ids=lambda file: file.name)
def test_every_rule_fires_and_is_silent_when_it_should(file: Path) -> None:
    told = run("promtool", "test", "rules", file)
    assert told.returncode == 0, told.stdout + told.stderr


def test_prometheus_accepts_its_configuration() -> None:
    told = run("promtool", "check", "config", MONITORING / "prometheus" / "prometheus.yml")
    assert told.returncode == 0, told.stdout + told.stderr


def test_alertmanager_accepts_its_configuration() -> None:
    told = run("amtool", "check-config", MONITORING / "alertmanager" / "alertmanager.yml")
    assert told.returncode == 0, told.stdout + told.stderr


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        (("severity=critical", "owner=platform"), "page-platform"),
        (("severity=critical", "owner=infrastructure"), "page-infrastructure"),
        (("severity=high", "owner=infrastructure"), "chat"),
        (("severity=warning", "owner=platform"), "mail"),
    ],
)
def test_alerts_go_to_those_who_can_do_something(labels: tuple[str, ...], receiver: str) -> None:
    file = MONITORING / "alertmanager" / "alertmanager.yml"
    told = run("amtool", "config", "routes", "test", f"--config.file={file}", *labels)
    assert told.stdout.strip() == receiver


@pytest.mark.parametrize("file", sorted((MONITORING / "grafana").glob("*.json")), ids=lambda file: file.stem)
def test_a_dashboard_has_titles_units_and_no_query_twice(file: Path) -> None:
    board = json.loads(file.read_text())
    assert board["uid"] == f"vtp-{file.stem}"
    queries = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    assert len(queries) == len(set(queries)) >= 8
    assert all(panel["title"] and panel["fieldConfig"]["defaults"]["unit"] for panel in board["panels"])
