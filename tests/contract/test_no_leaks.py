"""An allow-list, shown from outside: whatever is put into an error, no outlet shows secrets, paths, SQL or stack traces."""

import io
import json
import random
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.websockets import WebSocket

from app.cli.output import Output, shown
from app.core import errors, responses
from app.core.error_messages import REGISTRY
from app.core.errors import FieldError, Fix, PlatformError
from app.services.views import shown_error, stored_error
from tests.asgi import Socket

POISON: dict[str, tuple[str, ...]] = {
    "key AKIAIOSFODNN7EXAMPLE used": ("AKIAIOSFODNN7EXAMPLE",),
    "login with password=hunter2secret failed": ("hunter2secret",),
    '{"api_key": "zq81secretvalue", "user": "ada"}': ("zq81secretvalue",),
    "--password 'correct horse'": ("correct horse",),
    "Authorization: Bearer abcdef0123456789": ("abcdef0123456789",),
    "postgresql://vtp:pgpass77word@db.internal:5432/vtp": ("pgpass77word",),
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl": ("eyJzdWIiOiJhZGEifQ", "c2lnbmF0dXJl"),
    "token vtpa_J-1.1.deadbeefdeadbeef": ("deadbeefdeadbeef",),
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEvQIBADANBg\n-----END RSA PRIVATE KEY-----": ("MIIEvQIBADANBg",),
    "cannot open /srv/vtp/secrets/token": ("/srv", "vtp/secrets"),
    "at path:/srv/vtp/data.yaml": ("/srv",),
    "file:///srv/private/weights.pt": ("srv/private",),
    r"cannot open C:\Users\ada\token.txt": (r"Users\ada", r"Users\\ada"),
    r"share \\fileserver\ada\token.txt": (r"\ada",),
    "SELECT password_hash FROM users WHERE id = 7": ("password_hash", "users"),
    "update users set password_hash = 'x' where id = 7": ("password_hash",),
    "insert into users (password_hash) values (7)": ("password_hash",),
    "error [SQL: PRAGMA secret_table] [parameters: ('Lovelace',)]": ("secret_table", "Lovelace"),
    'Traceback (most recent call last):\n  File "secret_module.py", line 12, in run\n    secret_call(7)\nValueError: x': (
        "secret_module",
        "secret_call",
    ),
    'failed:   File "secret_module.py", line 12, in run\n    secret_call(7)': ("secret_module", "secret_call"),
}
CLASSES: dict[str, Callable[[str], PlatformError]] = {
    "NetworkError": lambda text: errors.NetworkError(text, OSError(text)),
    "ServiceUnavailableError": lambda text: errors.ServiceUnavailableError(text, 3),
    "CircuitOpenError": lambda text: errors.CircuitOpenError(text, 3),
    "TimeoutError": lambda text: errors.TimeoutError(text, 3),
    "ConfigurationError": lambda text: errors.ConfigurationError(text, text),
    "ResourceNotFoundError": lambda text: errors.ResourceNotFoundError(text, text),
    "InsufficientPermissionsError": lambda text: errors.InsufficientPermissionsError(text, text),
    "ValidationError": lambda text: errors.ValidationError("lr0", text, text),
    "QuotaExceededError": lambda text: errors.QuotaExceededError(text, 1, 2),
    "DatasetValidationError": lambda text: errors.DatasetValidationError(text, {"details": text, "format": text}),
    "DatabaseError": lambda text: errors.DatabaseError(text, OSError(text)),
    "StorageError": lambda text: errors.StorageError(text, text, text, OSError(text)),
    "UnexpectedError": lambda text: errors.UnexpectedError(ValueError(text)),
    "PlatformError": lambda text: PlatformError(
        text, errors.ErrorType.SYSTEM_ERROR, user_message=text, suggested_action=text, context={"trace_id": text, text: text}
    ),
}


def of_code(code: str, text: str) -> Iterator[PlatformError]:
    """Errors of a code with `text` in every declared parameter (plain, in a list, as key and value), and in all else."""
    declared = REGISTRY[code].params
    fix = Fix(text, text, "safe", ({"op": "add", "path": "/name", "value": text},))
    wrong = FieldError("#/name", text, text)
    for value in (text, [text, {"password": text}], {text: text, "note": [text]}):
        details = {**dict.fromkeys(declared, value), "bucket": text, text: text}
        error = PlatformError.from_code(code, details, cause=OSError(text), errors=[wrong], fixes=[fix])
        error.add_note(text)
        yield error


def everything() -> Iterator[tuple[str, PlatformError, tuple[str, ...]]]:
    """Every class and every code, with every poison in every place."""
    for text, needles in POISON.items():
        for name, make in CLASSES.items():
            yield f"{name} with {text!r}", make(text), needles
        for code in REGISTRY:
            for error in of_code(code, text):
                yield f"{code} with {text!r}", error, needles


def sample(seed: int = 20261125) -> list[tuple[str, PlatformError, tuple[str, ...]]]:
    """A few hundred of `everything`, every class and code among them; the seed is printed."""
    print(f"seed {seed}")
    rng = random.Random(seed)
    by_kind: dict[str, list[tuple[str, PlatformError, tuple[str, ...]]]] = {}
    for case in everything():
        by_kind.setdefault(case[0].partition(" with")[0], []).append(case)
    assert set(by_kind) == {*CLASSES, *REGISTRY}
    return [case for cases in by_kind.values() for case in rng.sample(cases, 5)]


def assert_clean(name: str, text: str, needles: tuple[str, ...]) -> None:
    for needle in needles:
        assert needle not in text, f"{name}: {needle!r} is in {text}"


def test_every_class_is_tried() -> None:
    named = (getattr(errors, name) for name in errors.__all__)
    assert set(CLASSES) == {kind.__name__ for kind in named if isinstance(kind, type) and issubclass(kind, PlatformError)}


def test_each_poison_is_one() -> None:
    """The needles are there before; the allow-list takes them out."""
    for text, needles in POISON.items():
        assert any(needle in text for needle in needles)


@pytest.mark.parametrize("problem", [False, True])
def test_no_http_body_or_header_leaks(problem: bool) -> None:
    asked = [(b"accept", b"application/problem+json"), (b"host", b"backend.test")] if problem else []
    for name, error, needles in everything():
        answer = responses.error_response(error, scope={"scheme": "http", "headers": asked})
        text = bytes(answer.body).decode() + str(answer.raw_headers)
        assert ("instance" in json.loads(bytes(answer.body))) == problem
        assert_clean(name, text, needles)


def test_no_error_of_a_job_leaks() -> None:
    at = datetime(2026, 11, 25, tzinfo=UTC)
    for name, error, needles in everything():
        row = json.loads(json.dumps(stored_error(error, at, "0" * 32)))
        assert_clean(name, json.dumps(shown_error(row), ensure_ascii=False), needles)


@pytest.mark.parametrize("as_json", [False, True])
def test_the_command_line_leaks_nothing(as_json: bool) -> None:
    for name, error, needles in sample():
        stream = io.StringIO()
        with redirect_stderr(stream):
            Output(as_json=as_json).error(shown(error))
        assert error.code in stream.getvalue()
        assert_clean(name, stream.getvalue(), needles)


def poisoned_app() -> tuple[FastAPI, list[PlatformError]]:
    """An application whose one path and one WebSocket raise what is in the list."""
    app, raised = FastAPI(), list[PlatformError]()

    @app.get("/")
    async def fail() -> None:
        raise raised[0]

    @app.websocket("/early")
    async def refuse(websocket: WebSocket) -> None:
        raise raised[0]

    @app.websocket("/late")
    async def end(websocket: WebSocket) -> None:
        await websocket.accept()
        try:
            raise raised[0]
        except PlatformError as error:
            await app.state.way_out.end(websocket, error, 7)

    responses.install(app)
    return app, raised


async def test_nothing_leaks_over_http_and_websocket() -> None:
    app, raised = poisoned_app()
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://backend.test") as client:
        for name, error, needles in sample():
            raised[:] = [error]
            response = await client.get("/")
            assert_clean(name, response.text + str(response.headers), needles)
            async with Socket(app, "/early") as watcher:
                assert_clean(name, str(await watcher.denied()), needles)
            async with Socket(app, "/early", denial=False) as watcher:
                assert_clean(name, str(watcher.begun), needles)
            async with Socket(app, "/late") as watcher:
                event, closed = await watcher.event(), await watcher.next()
                assert event["error"]["code"] == error.code
                assert_clean(name, json.dumps(event, ensure_ascii=False) + str(closed), needles)


def test_a_parameter_leaves_only_if_the_registry_declares_it() -> None:
    for code, row in REGISTRY.items():
        details: dict[str, Any] = {**dict.fromkeys(row.params, 1), "internal": 1, "bucket": 1}
        assert set(responses.public(PlatformError.from_code(code, details))["params"]) == set(row.params)


def test_a_value_of_a_field_with_a_secrets_name_is_not_shown() -> None:
    error = PlatformError.from_code("INVALID_CONFIG", {"field": "settings.api_key", "value": "abc", "details": "wrong"})
    assert responses.public(error)["params"]["value"] == "[redacted]"


def test_a_fix_whose_patch_would_leak_is_left_out_whole() -> None:
    good = Fix("halve-batch", "Batch 32 → 16", "safe", ({"op": "replace", "path": "/batch_size", "value": 16},))
    bad = Fix("set-key", "Use the key", "safe", ({"op": "add", "path": "/settings", "value": {"api_key": "x"}},))
    shown_fixes = responses.public(PlatformError.from_code("CUDA_OOM", fixes=[bad, good]))["fixes"]
    assert [fix["id"] for fix in shown_fixes] == ["halve-batch"]
    assert shown_fixes[0]["patch"] == list(good.patch)
