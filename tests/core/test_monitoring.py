"""Which errors reach Sentry and how often, what is logged of them, and that each is told once."""

import json
from typing import Any

import pytest

from app.core import logging, monitoring, sentry
from app.core.error_messages import REGISTRY
from app.core.errors import DatabaseError, PlatformError, UnexpectedError
from app.core.monitoring import Windows, capture_error_with_context, captures, fingerprint_of, report
from app.core.tracing import set_trace_id


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What would go to Sentry."""
    events: list[dict[str, Any]] = []

    def keep(error: PlatformError, event: dict[str, Any], exceptions: Any, component: str) -> bool:
        events.append({**event, "error": error, "exceptions": exceptions})
        return True

    monkeypatch.setattr(sentry, "active", lambda: True)
    monkeypatch.setattr(sentry, "send_later", keep)
    monkeypatch.setattr(monitoring, "windows", Windows())
    return events


def raised(error: Exception) -> Exception:
    """The error, as it is caught."""
    try:
        raise error  # noqa: TRY301 - it needs a traceback
    except Exception as caught:  # noqa: BLE001 - it is the one above
        return caught


@pytest.mark.parametrize("code", REGISTRY)
def test_every_code_is_captured_by_whose_fault_it_is(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitoring, "windows", Windows())
    error = PlatformError.from_code(code)
    users = error.causer in ("user", "data") or error.error_type.value == "user_error"
    assert captures(error, "f") is not users
    assert captures(error, "f") is (code in ("SYSTEM_ERROR", "UNKNOWN_FAILURE"))


def test_an_expected_failure_is_captured_once_in_its_window() -> None:
    windows, now = Windows(seconds=300), [0.0]
    windows.clock = lambda: now[0]
    assert [windows.first("a"), windows.first("a"), windows.first("b")] == [True, False, True]
    now[0] = 299.9
    assert windows.first("a") is False
    now[0] = 300.0
    assert windows.first("a") is True


def test_the_memory_for_windows_is_bounded() -> None:
    windows = Windows(most=3)
    assert all(windows.first(str(number)) for number in range(10))
    assert len(windows._last) == 3


def test_an_event_has_tags_contexts_level_and_a_versioned_fingerprint(sent: list[dict[str, Any]]) -> None:
    set_trace_id("a" * 32)
    error = DatabaseError("insert", ValueError("disk"))
    assert capture_error_with_context(error, {"job_id": "J-1"}, component="driver", contexts={"job": {"id": "J-1"}})
    event = sent[0]
    assert event["tags"] == {
        "code": "DATABASE_ERROR", "type": "system_error", "error_type": "system_error", "severity": "critical",
        "causer": "dependency", "component": "driver", "trace_id": "a" * 32,
    }  # fmt: skip
    assert event["level"] == "fatal"
    assert event["fingerprint"][0].startswith("e1:")
    assert event["contexts"]["error_details"]["user_message"] == error.user_message
    assert event["contexts"]["error_details"]["suggested_action"] == error.suggested_action
    assert event["contexts"]["additional_context"] == {"job_id": "J-1"}
    assert event["contexts"]["job"] == {"id": "J-1"}
    assert event["contexts"]["trace"]["trace_id"] == "a" * 32


@pytest.mark.parametrize(
    ("severity", "level"), [("low", "info"), ("medium", "warning"), ("high", "error"), ("critical", "fatal")]
)
def test_every_severity_has_a_level_that_sentry_knows(severity: str, level: str) -> None:
    assert monitoring.LEVELS[severity] == level


def test_bugs_are_told_apart_by_where_they_are_and_not_by_what_they_say() -> None:
    def one(text: str) -> UnexpectedError:
        return UnexpectedError(raised(ValueError(text)))

    def other() -> UnexpectedError:
        try:
            int("x")
        except ValueError as error:
            return UnexpectedError(error)
        raise AssertionError

    assert fingerprint_of(one("a 1"), "x") == fingerprint_of(one("b 2"), "y")
    assert fingerprint_of(one("a"), "x") != fingerprint_of(other(), "x")


def test_other_errors_are_told_apart_by_code_and_place() -> None:
    error = PlatformError.from_code("TRAINER_UNREACHABLE")
    assert fingerprint_of(error, "POST /a") != fingerprint_of(error, "POST /b")
    assert fingerprint_of(error, "POST /a") != fingerprint_of(PlatformError.from_code("DATABASE_ERROR"), "POST /a")
    assert fingerprint_of(UnexpectedError(ValueError("never raised")), "a").startswith("e1:")


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """The lines of the log."""
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_an_error_is_one_line_with_all_that_finds_it(sent: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]) -> None:
    logging.configure(json=True)
    set_trace_id("b" * 32)
    report(raised(ValueError("password=hunter2")), "driver", "round failed", job_id="J-1", attempt=2, agent_id=None)
    (line,) = lines(capsys)
    assert {
        "event": "round failed", "level": "error", "trace_id": "b" * 32, "job_id": "J-1", "attempt": 2,
        "code": "SYSTEM_ERROR", "causer": "platform", "component": "driver", "fingerprint": sent[0]["fingerprint"][0],
    }.items() <= line.items()  # fmt: skip
    assert "agent_id" not in line
    assert line["exception"][0]["exc_type"] == "ValueError"
    assert "locals" not in line["exception"][0]["frames"][0] or line["exception"][0]["frames"][0]["locals"] is None
    assert "hunter2" not in json.dumps(line)


def test_a_dependency_that_is_away_is_logged_without_a_stack(capsys: pytest.CaptureFixture[str]) -> None:
    logging.configure(json=True)
    report(raised(PlatformError.from_code("TRAINER_UNREACHABLE")), "driver", level="warning")
    (line,) = lines(capsys)
    assert (line["level"], line["code"], line.get("exception")) == ("warning", "TRAINER_UNREACHABLE", None)


def test_no_exception_is_told_twice_however_it_is_wrapped(
    sent: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    logging.configure(json=True)
    cause = raised(ValueError("once"))
    report(cause, "driver")
    report(cause, "driver")
    report(UnexpectedError(cause), "api")
    report(PlatformError.from_code("DATABASE_ERROR", cause=cause), "api")
    assert len(lines(capsys)) == len(sent) == 1


def test_nothing_is_captured_where_sentry_is_off(capsys: pytest.CaptureFixture[str]) -> None:
    assert not sentry.active()
    assert capture_error_with_context(UnexpectedError(ValueError("x"))) is False
    assert capsys.readouterr().err == ""


def test_a_listener_hears_of_each_error_and_harms_none(sent: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[tuple[Any, ...]] = []

    def broken(*_: Any) -> None:
        raise ValueError("listener")

    monkeypatch.setattr(monitoring, "listeners", [lambda *told: heard.append(told)])
    error = PlatformError.from_code("VALIDATION_FAILED")
    assert capture_error_with_context(error, component="api") is False
    assert heard[0][0] is error
    monkeypatch.setattr(monitoring, "listeners", [broken, lambda *told: heard.append(told)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.core.metrics.report", lambda *_: None)
        capture_error_with_context(error, component="api")
    assert len(heard) == 2
