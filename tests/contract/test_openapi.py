"""The interface's description is complete and true: every answer is described, every code has an example."""

import hashlib
import json
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import hypothesis
import jsonschema
import pytest
import schemathesis
import uvicorn
from fastapi import FastAPI

from app.api.deps import Platform
from app.api.openapi import EXAMPLE_DETAILS
from app.config import Settings
from app.core.error_messages import REGISTRY
from app.main import create_app
from tests.conftest import SECRET, TOKEN, TrainerService, add_dataset, classification_zip, job_in_state
from tests.contract.shape import assert_public_error

JOBS = "/api/v1/training-jobs"
BODY = {"model": "yolo11n", "dataset_id": "test-dataset", "epochs": 3}


@pytest.fixture
def described(app: FastAPI) -> dict[str, Any]:
    return app.openapi()


def operations(described: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def test_every_operation_describes_what_it_answers_and_how_it_fails(described: dict[str, Any]) -> None:
    for name, operation in operations(described):
        good = [status for status in operation["responses"] if status.startswith("2")]
        assert good, name
        for status in good:
            content = operation["responses"][status].get("content", {})
            assert status == "204" or content, name
            schema = content.get("application/json", {}).get("schema", {"$ref": "a file"})
            assert "$ref" in schema, f"{name} answers JSON without a model"
        assert operation["responses"]["default"] == {"$ref": "#/components/responses/Error"}, name
        assert operation["summary"], name
        assert operation["description"], name


def test_the_frameworks_own_error_appears_nowhere(described: dict[str, Any]) -> None:
    assert "HTTPValidationError" not in json.dumps(described)


def test_every_code_has_an_example_that_is_a_public_error(described: dict[str, Any]) -> None:
    examples = described["components"]["examples"]
    assert list(examples) == list(REGISTRY)
    linked = described["components"]["responses"]["Error"]["content"]["application/json"]["examples"]
    for code, example in examples.items():
        error = example["value"]["error"]
        assert_public_error(error)
        assert error["code"] == code
        assert set(error["params"]) == set(REGISTRY[code].params) & set(EXAMPLE_DETAILS)
        assert linked[code] == {"$ref": f"#/components/examples/{code}"}
    assert all(schema_of(described, "ErrorBody").is_valid(example["value"]) for example in examples.values())


def test_the_example_of_a_problem_document_is_one(described: dict[str, Any]) -> None:
    content = described["components"]["responses"]["Error"]["content"]["application/problem+json"]
    for example in content["examples"].values():
        schema_of(described, "ProblemBody").validate(example["value"])


def schema_of(described: dict[str, Any], model: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator({"$ref": f"#/components/schemas/{model}", "components": described["components"]})


def undescribed(schema: dict[str, Any], value: Any, parts: dict[str, Any], place: str = "") -> list[str]:
    """Fields of `value` that `schema` does not name."""
    if "$ref" in schema:
        return undescribed(parts[schema["$ref"].rsplit("/", 1)[1]], value, parts, place)
    if "anyOf" in schema:
        several = [undescribed(one, value, parts, place) for one in schema["anyOf"] if one != {"type": "null"}]
        return min(several, key=len)
    if isinstance(value, list) and "items" in schema:
        return [found for item in value for found in undescribed(schema["items"], item, parts, f"{place}[]")]
    if isinstance(value, dict) and "properties" in schema:
        fields = schema["properties"]
        unknown = [f"{place}.{name}" for name in value if name not in fields]
        return unknown + [
            found
            for name in value
            if name in fields
            for found in undescribed(fields[name], value[name], parts, f"{place}.{name}")
        ]
    return []


async def test_real_answers_are_as_described(
    app: FastAPI, client: httpx.AsyncClient, platform: Platform, mock_trainer_service: TrainerService
) -> None:
    """A job that runs, fails and is tried again, a broken data set, weights, agents: all that is answered is described."""
    described = app.openapi()
    checked: set[str] = set()

    async def call(method: str, template: str, **options: Any) -> Any:
        path = template.format(**options.pop("where", {}))
        response = await client.request(method, path, **options)
        assert response.is_success, response.text
        operation = described["paths"][template][method.lower()]
        documented = operation["responses"][str(response.status_code)]["content"]["application/json"]["schema"]
        body = response.json()
        validator = jsonschema.Draft202012Validator({**documented, "components": described["components"]})
        problems = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(body)]
        problems += undescribed(documented, body, described["components"]["schemas"])
        assert problems == [], f"{method} {template}"
        checked.add(f"{method} {template}")
        return body

    async def look(job_id: str) -> None:
        here = {"where": {"job_id": job_id}}
        await call("GET", f"{JOBS}/{{job_id}}", **here)
        for part in ("attempts", "logs", "metrics", "artifacts"):
            await call("GET", f"{JOBS}/{{job_id}}/{part}", **here)
        await call("GET", JOBS)

    await add_dataset(platform, "damaged", classification_zip(per_class=12, damaged=2))
    for name in ("test-dataset", "damaged"):
        await call("GET", "/api/v1/datasets/{dataset_id}", where={"dataset_id": name})
        await call("GET", "/api/v1/datasets/{dataset_id}/report", where={"dataset_id": name})
    await call("GET", "/api/v1/datasets")
    await call("POST", "/api/v1/weights", params={"name": "mine"}, content=b"w")
    await call("GET", "/api/v1/weights")
    await call("POST", f"{JOBS}/validate", json={**BODY, "dataset_id": "damaged", "model": "yolo11n-cls"})
    await call("POST", f"{JOBS}/validate", json=BODY)

    job_id = (await call("POST", JOBS, json=BODY))["job_id"]
    here = {"where": {"job_id": job_id}}
    await look(job_id)
    agent = {"headers": {"Authorization": f"Bearer {mock_trainer_service.specs[-1]['token']}"}}
    progress = {"epoch": 1, "epochs": 3, "step": 4, "steps": 4, "losses": {"train/loss": "nan"}, "metrics": {"m": 0.5}}
    more = {"lr": 0.01, "images_per_s": 9.5, "eta_s": 3.0, "memory": {"rss_bytes": 5}, "epoch_end": True}
    updates = [
        {"status": "running", "attempt": 1, "seq": 1, "phase": "data"},
        {"status": "running", "attempt": 1, "seq": 2, "progress": {**progress, **more}},
        {"status": "running", "attempt": 1, "seq": 3, "log": {"offset": 0, "text": "hello\n"}},
    ]
    await call("POST", f"{JOBS}/{{job_id}}/callback", **here, **agent, json=updates)
    put = {"X-Content-SHA256": hashlib.sha256(b"").hexdigest(), "X-Artifact-Role": "weights"}
    place = {"job_id": job_id, "number": 1, "name": "best.pt"}
    headers = {**agent["headers"], **put}
    await call("PUT", f"{JOBS}/{{job_id}}/attempts/{{number}}/artifacts/{{name}}", where=place, headers=headers, content=b"")
    await look(job_id)
    failure = {"status": "failed", "attempt": 1, "seq": 4, "evidence": {"signal": 9, "oom_kill_delta": 0}}
    await call("POST", f"{JOBS}/{{job_id}}/callback", **here, **agent, json=failure)
    await job_in_state(client, job_id, "waiting")
    await look(job_id)
    await call("POST", f"{JOBS}/{{job_id}}/run-now", **here)
    await call("POST", f"{JOBS}/{{job_id}}/cancel", **here)

    broken = (await call("POST", JOBS, json={**BODY, "dataset_id": "damaged", "model": "yolo11n-cls"}))["job_id"]
    failed = await job_in_state(client, broken, "failed")
    await look(broken)
    fix = failed["error"]["fixes"][0]["id"]
    again = await call("POST", f"{JOBS}/{{job_id}}/retry", where={"job_id": broken}, json={"fix_id": fix})
    await job_in_state(client, again["job_id"], "starting", "running", "queued")

    await call("GET", f"{JOBS}/summary")
    await call("POST", f"{JOBS}/retry", json={"code": "DATASET_BROKEN", "apply": "safe"})

    report = {"name": "a", "url": mock_trainer_service.url, "slots": 1, "attempts": [{"job_id": "J-77", "attempt": 1}]}
    secret = {"Authorization": f"Bearer {SECRET}"}
    await call("PUT", "/api/v1/agents/{agent_id}", where={"agent_id": "agent-2"}, headers=secret, json=report)
    for path in ("agents", "frameworks", "session", "errors"):
        await call("GET", f"/api/v1/{path}")
    for path in ("health/live", "health/ready", "status", "dependencies"):
        await call("GET", f"/api/v1/system/{path}")
    for action in ("isolate", "reset"):
        await call("POST", f"/api/v1/system/dependencies/{{name}}/{action}", where={"name": "trainer"})
    await call("GET", "/api/v1/errors/{code}", where={"code": "CUDA_OOM"})
    rule = {"label": "killed", "pattern": "out of luck", "code": "TRAINER_KILLED"}
    await call("POST", "/api/v1/rules/dry-run", json=rule)
    await call("POST", "/api/v1/rules", json=rule)
    await call("GET", "/api/v1/rules")
    await call("POST", f"{JOBS}/{{job_id}}/attempts/{{number}}/diagnose", where={"job_id": job_id, "number": 1})
    missing = (await client.get(f"{JOBS}/J-404")).json()["error"]["trace_id"]
    await call("GET", "/api/v1/errors/occurrences/{trace_id}", where={"trace_id": missing})

    assert len(checked) >= 30, sorted(checked)


CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
)
EXAMPLES = 6


@pytest.fixture
def served(settings: Settings) -> Iterator[str]:
    """The address of a real server with an application of its own, in a thread."""
    server = uvicorn.Server(uvicorn.Config(create_app(settings), log_level="critical"))
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join()
    listener.close()


def test_random_requests_get_documented_answers_and_never_break_it(served: str) -> None:
    """Schemathesis makes requests from the description, right and wrong ones; none may end with an error of ours."""
    auth = {"Authorization": f"Bearer {TOKEN}"}
    schema = schemathesis.openapi.from_url(f"{served}/api/v1/openapi.json", headers=auth)
    checks = schemathesis.checks.CHECKS.get_by_names(list(CHECKS))
    calls: Counter[str] = Counter()
    for result in schema.get_all_operations():
        operation = result.ok()
        if operation.label == "GET /metrics":
            continue

        @hypothesis.settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[hypothesis.Phase.generate],
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        @hypothesis.given(case=operation.as_strategy())
        def ask(case: Any) -> None:
            response = case.call_and_validate(headers=auth, checks=checks, timeout=20)
            calls[f"{response.status_code // 100}xx"] += 1

        ask()
    print(dict(calls))
    assert calls["2xx"] > 20
    assert calls["4xx"] > 50
    assert set(calls) <= {"2xx", "3xx", "4xx"}
