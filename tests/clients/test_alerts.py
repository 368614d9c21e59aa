"""Alerts over real HTTP: delivered, tried again where that helps, and told by our own errors where not."""

import socket

import httpx2
import pytest

from app.clients.alerts import AlertClient, AlertmanagerClient
from app.core import timing
from app.core.errors import ConfigurationError, NetworkError, ServiceUnavailableError
from tests.receiver import receiving


async def test_what_is_sent_arrives() -> None:
    with receiving() as receiver:
        client = AlertClient(receiver.url)
        await client.send({"text": "Критично"})
        await client.close()
    assert receiver.bodies == [{"text": "Критично"}]


async def test_a_busy_receiver_is_asked_again_when_it_says() -> None:
    with receiving() as receiver, timing.testing() as clock:
        receiver.statuses = [(503, {}), (429, {"Retry-After": "7"})]
        client = AlertClient(receiver.url)
        await client.send({"text": "x"})
        await client.close()
    assert receiver.bodies == [{"text": "x"}]
    assert 7 in clock.waits


async def test_a_receiver_that_stays_busy_ends_in_our_own_error() -> None:
    with receiving() as receiver, timing.testing():
        receiver.statuses = [(500, {})] * 3
        client = AlertClient(receiver.url)
        with pytest.raises(ServiceUnavailableError):
            await client.send({"text": "x"})
        await client.close()
    assert receiver.bodies == []


async def test_a_refusal_is_not_repeated_and_names_the_setting() -> None:
    with receiving() as receiver:
        receiver.statuses = [(404, {})]
        client = AlertClient(receiver.url)
        with pytest.raises(ConfigurationError, match=r"VTP_ALERT_URL.*404"):
            await client.send({"text": "x"})
        await client.close()
    assert receiver.statuses == []


async def test_a_receiver_that_is_gone_ends_in_our_own_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        with timing.testing():
            client = AlertClient(address)
            with pytest.raises(NetworkError):
                await client.send({"text": "x"})
            await client.close()


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (httpx2.Response(200, json={"versionInfo": {"version": "0.25.0"}}), "0.25.0"),
        (httpx2.Response(200, json=["no"]), ConfigurationError),
        (httpx2.Response(200, content=b"<html>"), ConfigurationError),
        (httpx2.Response(404), ConfigurationError),
        (httpx2.Response(503), ServiceUnavailableError),
    ],
)
async def test_an_alertmanager_tells_its_version_and_whatever_else_answers_is_none(
    answer: httpx2.Response, told: str | type[Exception]
) -> None:
    client = AlertmanagerClient("http://alertmanager.test", httpx2.MockTransport(lambda _: answer))
    if isinstance(told, str):
        assert await client.version() == told
    else:
        with pytest.raises(told):
            await client.version()
    await client.close()
