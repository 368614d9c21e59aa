"""Trace ids: taken from the caller or made, one for all that a request sets off, said on every answer."""

import asyncio
import re
from typing import Any

import pytest

from app.core.tracing import (
    TraceMiddleware,
    current_traceparent,
    get_trace_id,
    new_trace_id,
    set_trace_id,
    trace_id_of,
)

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01".encode()


def test_new_ids_are_32_hexadecimal_digits_and_differ() -> None:
    made = {new_trace_id() for _ in range(100)}
    assert len(made) == 100
    assert all(re.fullmatch("[0-9a-f]{32}", trace_id) for trace_id in made)


def test_what_belongs_together_has_one_id() -> None:
    async def work() -> tuple[str, str]:
        return get_trace_id(), get_trace_id()

    async def several() -> list[tuple[str, str]]:
        return [await asyncio.create_task(work()) for _ in range(3)]

    found = asyncio.run(several())
    assert all(first == second for first, second in found)
    assert len({first for first, _ in found}) == 3


def test_a_trace_goes_on_with_a_span_of_its_own() -> None:
    set_trace_id(TRACE)
    first, second = current_traceparent(), current_traceparent()
    assert first != second
    assert {trace_id_of(first.encode()), trace_id_of(second.encode())} == {TRACE}


@pytest.mark.parametrize(
    ("header", "trace_id"),
    [
        (PARENT, TRACE),
        (b" " + PARENT.upper() + b" ", TRACE),
        (b"01-" + PARENT[3:], TRACE),
        (b"ff-" + PARENT[3:], None),
        (b"00-" + b"0" * 32 + b"-00f067aa0ba902b7-01", None),
        (b"00-" + TRACE.encode() + b"-" + b"0" * 16 + b"-01", None),
        (PARENT + b"-x", None),
        (b"", None),
        (b"nonsense\xff", None),
    ],
)
def test_a_traceparent_is_taken_only_where_it_is_a_valid_one(header: bytes, trace_id: str | None) -> None:
    assert trace_id_of(header) == trace_id


async def through(scope: dict[str, Any], *messages: dict[str, Any]) -> tuple[list[dict[str, Any]], str | None]:
    """What comes out of the middleware for what the application sends, and the trace id inside."""
    sent: list[dict[str, Any]] = []
    inside = None

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        nonlocal inside
        inside = get_trace_id()
        for message in messages:
            await send(message)

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {}

    await TraceMiddleware(app)(scope, receive, send)
    return sent, inside


@pytest.mark.parametrize(
    ("kind", "start"),
    [("http", "http.response.start"), ("websocket", "websocket.accept"), ("websocket", "websocket.http.response.start")],
)
async def test_every_answer_says_its_trace(kind: str, start: str) -> None:
    headers = [(b"host", b"x"), (b"traceparent", PARENT), (b"accept", b"*/*")]
    begun = {"type": start, "headers": [(b"x-mine", b"1")]}
    body = {"type": "http.response.body", "body": b""}
    sent, inside = await through({"type": kind, "headers": headers}, begun, body)
    assert inside == TRACE
    assert sent[0]["headers"][0] == (b"x-mine", b"1")
    name, value = sent[0]["headers"][1]
    assert name == b"server-timing"
    assert re.fullmatch(rb'trace;desc="00-' + TRACE.encode() + rb'-[0-9a-f]{16}-01"', value)
    assert len(sent[0]["headers"]) == 2
    assert sent[1] == body


async def test_an_answer_without_headers_gets_one() -> None:
    sent, inside = await through({"type": "http", "headers": []}, {"type": "http.response.start"})
    assert inside is not None
    assert inside.encode() in dict(sent[0]["headers"])[b"server-timing"]


async def test_a_wrong_traceparent_is_replaced() -> None:
    _, inside = await through({"type": "http", "headers": [(b"traceparent", b"00-zz-11-01")]})
    assert inside is not None
    assert re.fullmatch("[0-9a-f]{32}", inside)


async def test_other_events_pass_untouched_and_the_trace_ends_with_its_request() -> None:
    set_trace_id(TRACE)
    sent, inside = await through({"type": "lifespan"}, {"type": "lifespan.startup.complete"})
    assert (sent, inside) == ([{"type": "lifespan.startup.complete"}], TRACE)
    _, inside = await through({"type": "http", "headers": []})
    assert inside != TRACE
    assert get_trace_id() == TRACE
