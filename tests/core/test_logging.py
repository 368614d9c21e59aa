"""Log lines: JSON on a server, readable in a terminal, with a trace id and without secrets."""

import importlib
import json
import logging as stdlib
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


@pytest.mark.parametrize("json_lines", [True, False])
def test_what_libraries_log_leaves_in_the_same_form_without_secrets(
    json_lines: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    set_trace_id("d" * 32)
    logging.configure(json=json_lines)
    try:
        int("password=hunter2")
    except ValueError:
        stdlib.getLogger("some.library").exception("call to %s failed", "postgres://u:pw123456@db/x")
    stdlib.getLogger("some.library").info("quiet")
    text = capsys.readouterr().err
    assert "hunter2" not in text
    assert "pw123456" not in text
    assert "quiet" not in text
    assert "ValueError" in text
    if json_lines:
        line = json.loads(text)
        assert (line["logger_name"], line["level"], line["trace_id"]) == ("some.library", "error", "d" * 32)


def test_a_stack_is_drawn_once_however_often_its_exception_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    logging.configure(json=True)
    logger = logging.get_logger("part")
    try:
        int("x")
    except ValueError as error:
        logger.exception("first")
        logger.exception("second", exc_info=error)
        logger.exception("third", exc_info=(type(error), error, error.__traceback__))
    first, second, third = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert first["exception"][0]["exc_type"] == "ValueError"
    assert "exception" not in second | third
    assert second["logged_before"] == third["logged_before"] == "ValueError"


def test_no_line_shows_the_variables_of_a_frame(capsys: pytest.CaptureFixture[str]) -> None:
    hidden = "value-of-a-variable"
    for json_lines in (True, False):
        logging.configure(json=json_lines)
        try:
            int(hidden[:0])
        except ValueError:
            logging.get_logger("part").exception("it broke")
    assert hidden not in capsys.readouterr().err.replace(f'"{hidden}"', "")


def test_one_exception_is_known_by_all_that_it_is_wrapped_in() -> None:
    cause = ValueError("x")
    wrapped = RuntimeError("y")
    wrapped.__cause__ = cause
    assert logging.seen_before(cause) is False
    assert logging.seen_before(wrapped) is True
    assert logging.seen_before(ValueError("x")) is False
