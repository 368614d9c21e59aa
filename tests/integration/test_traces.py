"""One trace from the request that makes a job to its training process, on a real receiver of OpenTelemetry's protocol."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import classification_zip
from tests.integration.collector import Collector, Span, collecting
from tests.running import EVERY, JOBS, SKLEARN, RunningPlatform, running
from tests.waiting import eventually

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not SKLEARN.exists(), reason="the scikit-learn trainer's environment is not installed"),
]
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CONFIG: dict[str, Any] = {
    "framework": "sklearn", "model": "sgd-linear", "dataset_id": "tiny", "epochs": 2, "batch_size": 4, "image_size": 16,
}  # fmt: skip


async def ended(collector: Collector, trace_id: str, *names: str) -> dict[str, Span]:
    """The spans of a trace by name, as soon as those with these names are there."""

    async def there() -> dict[str, Span] | None:
        found = {span.name: span for span in collector.of(trace_id)}
        return found if set(names) <= set(found) else None

    found: dict[str, Span] = await eventually(there, 30, f"spans {names} of {trace_id}", EVERY)
    return found


def line(span: Span, spans: list[Span]) -> list[str]:
    """The names from the first span of a trace down to this one."""
    by_id = {other.span_id: other for other in spans}
    names = [span.name]
    while (parent := by_id.get(span.parent)) is not None:
        span = parent
        names.insert(0, span.name)
    return names


async def joined(collector: Collector, trace_id: str, first: str) -> list[Span]:
    """The spans of a trace as soon as each leads to its first: parts tell theirs one after the other."""

    async def there() -> list[Span] | None:
        found = collector.of(trace_id)
        return found if all(line(span, found)[0] == first for span in found) else None

    found: list[Span] = await eventually(there, 30, f"parents of all spans of {trace_id}", EVERY)
    return found


async def submitted(platform: RunningPlatform, **more: Any) -> tuple[str, str]:
    """A job's id, and the trace id that the answer told."""
    answer = await platform.ask("POST", JOBS, json={**CONFIG, **more}, headers={"Prefer": "respond-async"})
    return answer.json()["job_id"], answer.headers["server-timing"].split("-")[1]


async def killed_training(platform: RunningPlatform, job_id: str) -> None:
    """Kills a job's first training process as a crash would."""
    pid = await eventually(lambda: platform.pid(job_id, 1), 30, "the training process", EVERY)
    await eventually((platform.home / "agent/attempts" / job_id / "1/spans.jsonl").exists, 30, "its spans", EVERY)
    os.kill(pid, signal.SIGSEGV)


async def test_one_trace_spans_request_dispatch_agent_and_training_process(tmp_path: Path) -> None:
    with collecting() as collector:
        environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "200", "ENV_NAME": "test"}
        async with running(tmp_path / "home", **environment) as platform:
            await platform.add_dataset("tiny", classification_zip())
            headers = {"Prefer": "respond-async", "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
            answer = await platform.ask("POST", JOBS, json=CONFIG, headers=headers)
            assert TRACE in answer.headers["server-timing"]
            await platform.wait_for(answer.json()["job_id"], "succeeded")
            spans = await ended(collector, TRACE, "POST /api/v1/training-jobs", "attempt", "training process", "saving")

            request = spans["POST /api/v1/training-jobs"]
            assert (request.service, request.parent) == ("vtp-backend", "00f067aa0ba902b7")
            assert (spans["attempt"].service, spans["training process"].service) == ("vtp-agent", "vtp-trainer")
            everything = await joined(collector, TRACE, request.name)
            way = line(spans["saving"], everything)
            assert way[0] == request.name
            assert way[-4:] == ["dispatch", "attempt", "training process", "saving"]
            assert line(spans["fetch data"], everything)[-2:] == ["attempt", "fetch data"]
            statements = [span for span in everything if span.attributes.get("db.system.name") == "sqlite"]
            assert any(span.name == "INSERT jobs" for span in statements)
            assert any(span.name.startswith("storage ") for span in everything)
            assert any(span.name.endswith("/callback") for span in everything)
            assert [span for span in everything if span.failed or span.start > span.end] == []
            print(f"{len(everything)} spans in one trace")

            job_id, trace_id = await submitted(platform, epochs=40, settings={"images_per_s_limit": 20})
            await killed_training(platform, job_id)
            spans = await ended(collector, trace_id, "training process")
            assert spans["training process"].failed
            assert spans["training process"].attributes["error.type"] == "signal 11"

            async def failed() -> dict[str, Any] | None:
                first = (await platform.attempts(job_id))[0]
                return first if first["status"] == "failed" else None

            attempt = await eventually(failed, 30, "the failure", EVERY)
            assert attempt["error"]["trace_id"] == trace_id
            assert "Bearer" not in str([span.attributes for span in collector.spans])
