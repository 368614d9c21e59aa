"""The agent's way to the backend: three kinds of answer, and an address that may move."""

from pathlib import Path

import httpx2
import pytest

from tests.trainers.fakes import FakeBackend, error_answer
from trainers.agent.backend import Backend, BackendAway, BackendRefuses, UnknownAttempt, sha256_of


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (error_answer(500, "SYSTEM_ERROR"), BackendAway),
        (error_answer(503, "SERVICE_UNAVAILABLE"), BackendAway),
        (error_answer(429, "RATE_LIMITED"), BackendAway),
        (error_answer(401, "INVALID_TOKEN"), UnknownAttempt),
        (error_answer(404, "NOT_FOUND"), UnknownAttempt),
        (error_answer(413, "PAYLOAD_TOO_LARGE"), BackendRefuses),
        (httpx2.Response(404, text="not here"), BackendAway),
        (httpx2.Response(413), BackendAway),
        (httpx2.Response(200, text="<html>"), BackendAway),
        (httpx2.Response(200, json={"unexpected": True}), BackendAway),
    ],
)
async def test_answers_are_told_apart(answer: httpx2.Response, kind: type[Exception]) -> None:
    fake = FakeBackend()
    fake.fault = lambda _: answer
    with pytest.raises(kind):
        await fake.backend().post("http://backend.test/callback", "t", [{"seq": 1, "status": "running"}])


async def test_whatever_the_http_library_raises_means_away() -> None:
    def dead(_request: httpx2.Request) -> httpx2.Response:
        raise httpx2.RemoteProtocolError("")

    with pytest.raises(BackendAway, match="RemoteProtocolError"):
        await Backend("http://b", "s", httpx2.MockTransport(dead)).report("a", {})


@pytest.mark.parametrize(
    ("now", "given", "used"),
    [
        ("http://127.0.0.1:9", "http://127.0.0.1:8/api/x?y=1", "http://127.0.0.1:9/api/x?y=1"),
        ("https://vtp.example", "http://old:80/api/x", "https://vtp.example/api/x"),
    ],
)
def test_a_backend_that_has_moved_is_reached_at_its_present_address(now: str, given: str, used: str) -> None:
    assert Backend(now, "s").here(given) == used


async def test_a_report_says_what_to_let_go() -> None:
    fake = FakeBackend()
    fake.release = [{"job_id": "J-2", "attempt": 3}]
    assert await fake.backend().report("a1", {}) == [("J-2", 3)]


def test_the_digest_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"abc")
    assert sha256_of(tmp_path / "f") == ("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", 3)
