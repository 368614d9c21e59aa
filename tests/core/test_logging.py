"""Log lines: JSON on a server, readable in a terminal, with a trace id and without secrets."""

import importlib
import json
from collections.abc import Iterator

import pytest
import structlog

from app.core import logging
from app.core.tracing import set_trace_id


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Other tests log as they did."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def test_a_servers_line_is_json_with_level_time_name_and_trace(capsys: pytest.CaptureFixture[str]) -> None:
    set_trace_id("a" * 32)
    logging.configure(json=True)
    logging.get_logger("part").warning("it broke", job_id="J-1", api_key="sk-secret", url="postgresql://u:pw@host/db")
    line = json.loads(capsys.readouterr().err)
    assert (line["event"], line["level"], line["logger_name"], line["trace_id"]) == ("it broke", "warning", "part", "a" * 32)
    assert line["timestamp"].endswith("Z")
    assert line["job_id"] == "J-1"
    assert "sk-secret" not in str(line)
    assert ":pw@" not in str(line)


def test_a_traceback_on_a_server_is_data_without_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    logging.configure(json=True)
    try:
        int("password=hunter2")
    except ValueError:
        logging.get_logger("part").exception("it broke")
    text = capsys.readouterr().err
    assert json.loads(text)["exception"][0]["exc_type"] == "ValueError"
    assert "hunter2" not in text


def test_a_line_for_people_is_text_without_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    logging.configure()
    try:
        int("token=abcdef123456")
    except ValueError:
        logging.get_logger("part").exception("it broke", trace_id="mine")
    text = capsys.readouterr().err
    assert "it broke" in text
    assert "mine" in text
    assert "ValueError" in text
    assert "abcdef123456" not in text


def test_lines_below_the_level_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    logging.configure(level="ERROR")
    logging.get_logger("part").warning("quiet")
    logging.get_logger("part").error("loud")
    text = capsys.readouterr().err
    assert "quiet" not in text
    assert "loud" in text


def test_lines_are_safe_before_anybody_has_set_up_logging() -> None:
    """structlog's own default would draw the local variables of every frame."""
    structlog.reset_defaults()
    importlib.reload(logging)
    assert structlog.is_configured()
    assert logging._redact in structlog.get_config()["processors"]


def test_a_process_that_has_set_up_logging_keeps_its_own() -> None:
    structlog.configure(processors=[structlog.processors.JSONRenderer()])
    importlib.reload(logging)
    assert len(structlog.get_config()["processors"]) == 1
