"""The way to the backend: where it is, and what its failures become."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.cli.client import Api, ApiFailure, close_connections, locate, refusal, timeout_seconds
from app.core.errors import PlatformError
from tests.core.faults import FaultServer


@pytest.fixture(scope="module")
def faults() -> Iterator[FaultServer]:
    server = FaultServer()
    yield server
    server.close()


@pytest.fixture
def api(faults: FaultServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Api]]:
    """Makes a client of a server that fails in the way that is named."""

    def make(fault: str) -> Api:
        monkeypatch.setenv("VTP_URL", f"{faults.url}/{fault}")
        monkeypatch.setenv("VTP_TOKEN", "t")
        return Api()

    yield make
    close_connections()


def test_the_environment_goes_before_the_file_of_a_running_platform(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VTP_HOME", str(tmp_path))
    for name in ("VTP_URL", "VTP_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "server.json").write_text(json.dumps({"url": "http://file:1", "token": "of-file"}))
    assert locate() == ("http://file:1", "of-file")
    monkeypatch.setenv("VTP_URL", "http://given:2/")
    assert locate() == ("http://given:2", "of-file")
    monkeypatch.setenv("VTP_TOKEN", "given")
    assert locate() == ("http://given:2", "given")


@pytest.mark.parametrize("content", ["", "not json", "{}", "[]", '{"url": "x"}'])
def test_without_a_readable_file_no_platform_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str) -> None:
    monkeypatch.setenv("VTP_HOME", str(tmp_path))
    for name in ("VTP_URL", "VTP_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    if content:
        (tmp_path / "server.json").write_text(content)
    with pytest.raises(PlatformError) as caught:
        locate()
    assert caught.value.code == "SERVICE_UNAVAILABLE"


@pytest.mark.parametrize("fault", ["html-502", "html-200", "close", "reset", "garbage", "cut", "status-500"])
def test_whatever_is_no_answer_of_ours_is_a_platform_that_is_not_there(api: Callable[[str], Api], fault: str) -> None:
    client = api(fault)
    if fault == "status-500":  # has an `error`, though none of ours
        with pytest.raises(ApiFailure):
            client.call("GET", "/x")
        return
    with pytest.raises(PlatformError) as caught:
        client.call("GET", "/x")
    assert caught.value.code == "SERVICE_UNAVAILABLE"


def test_a_wait_has_an_end(api: Callable[[str], Api], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VTP_TIMEOUT", "0.2")
    with pytest.raises(PlatformError) as caught:
        api("hang").call("GET", "/x")
    assert caught.value.code == "SERVICE_UNAVAILABLE"


@pytest.mark.parametrize(("value", "seconds"), [("", 60.0), ("2.5", 2.5), ("soon", 60.0)])
def test_the_time_limit_can_be_set(monkeypatch: pytest.MonkeyPatch, value: str, seconds: float) -> None:
    monkeypatch.setenv("VTP_TIMEOUT", value)
    assert timeout_seconds() == seconds


def test_a_download_that_breaks_off_leaves_no_file(api: Callable[[str], Api], tmp_path: Path) -> None:
    target = tmp_path / "best.pt"
    target.write_bytes(b"older and whole")
    with pytest.raises(PlatformError):
        api("cut").download("/x", target)
    assert list(tmp_path.iterdir()) == [target]
    assert target.read_bytes() == b"older and whole"


def test_a_refusal_keeps_the_error_object() -> None:
    failure = refusal(404, b'{"error": {"code": "NOT_FOUND", "message": "no"}}')
    assert isinstance(failure, ApiFailure)
    assert (failure.status, failure.error["code"]) == (404, "NOT_FOUND")
    assert isinstance(refusal(404, b"<html>"), PlatformError)
