"""Failures of MLflow and Temporal."""

from collections.abc import Callable
from typing import Any

from tests.core.real.cases import (
    BRIEF,
    CONFLICT,
    LATE,
    MISSING,
    NETWORK,
    REFUSED,
    TRACKER_AWAY,
    TRACKER_REFUSED,
    Servers,
    case,
)


def _mlflow(address: Callable[[Servers], str]) -> Callable[[Servers], Any]:
    def run(servers: Servers) -> None:
        from mlflow import MlflowClient

        MlflowClient(tracking_uri=address(servers)).get_run("r")

    return run


def _mlflow_path(path: str) -> Callable[[Servers], Any]:
    return _mlflow(lambda servers: f"{servers('http').url}/{path}")


case("mlflow-refused", TRACKER_AWAY)(_mlflow(lambda servers: f"http://127.0.0.1:{servers('nobody')}"))
case("mlflow-hang", TRACKER_AWAY)(_mlflow_path("hang"))
case("mlflow-reset", TRACKER_AWAY)(_mlflow_path("reset"))
case("mlflow-503", TRACKER_AWAY)(_mlflow_path("status-503"))
case("mlflow-500", TRACKER_AWAY)(_mlflow_path("mlflow-500-INTERNAL_ERROR"))
case("mlflow-429", ("MLFLOW_UNAVAILABLE", True, "neutral"))(_mlflow_path("mlflow-429-REQUEST_LIMIT_EXCEEDED"))
case("mlflow-404", MISSING)(_mlflow_path("mlflow-404-RESOURCE_DOES_NOT_EXIST"))
case("mlflow-400", TRACKER_REFUSED)(_mlflow_path("mlflow-400-INVALID_PARAMETER_VALUE"))
case("mlflow-403", TRACKER_REFUSED)(_mlflow_path("mlflow-403-PERMISSION_DENIED"))


async def _temporal(servers: Servers, address: str | None = None, **more: Any) -> Any:
    from temporalio.client import Client

    return await Client.connect(address or servers("temporal").address, **more)


@case("temporal-refused", NETWORK)
async def _(servers: Servers) -> None:
    await _temporal(servers, address=f"127.0.0.1:{servers('nobody')}")


@case("temporal-unknown-workflow", MISSING)
async def _(servers: Servers) -> None:
    await (await _temporal(servers)).get_workflow_handle("nothing").describe()


@case("temporal-unknown-namespace", MISSING)
async def _(servers: Servers) -> None:
    client = await _temporal(servers, namespace="nothing")
    await client.start_workflow("w", id="w", task_queue="q")


@case("temporal-started-twice", CONFLICT)
async def _(servers: Servers) -> None:
    client = await _temporal(servers)
    for _ in range(2):
        await client.start_workflow("w", id="twice", task_queue="q")


@case("temporal-wrong-argument", REFUSED)
async def _(servers: Servers) -> None:
    await (await _temporal(servers)).start_workflow("w", id="i" * 2000, task_queue="q")


@case("temporal-late-answer", LATE)
async def _(servers: Servers) -> None:
    from datetime import timedelta

    client = await _temporal(servers)
    handle = await client.start_workflow("w", id="silent", task_queue="q")
    await handle.query("q", rpc_timeout=timedelta(seconds=BRIEF))


@case("temporal-terminated", ("TEMPORAL_ERROR", False, "success"))
async def _(servers: Servers) -> None:
    handle = await (await _temporal(servers)).start_workflow("w", id="ended", task_queue="q")
    await handle.terminate("enough")
    await handle.result()


@case("temporal-workflow-timeout", ("TEMPORAL_ERROR", False, "success"))
async def _(servers: Servers) -> None:
    from datetime import timedelta

    client = await _temporal(servers)
    await client.execute_workflow("w", id="slow", task_queue="q", run_timeout=timedelta(seconds=1))


@case("temporal-killed", NETWORK)
async def _(servers: Servers) -> None:
    from temporalio.service import RetryConfig

    from tests.core.servers import Temporal

    server = Temporal()
    try:
        once = RetryConfig(max_retries=1, max_elapsed_time_millis=200)
        client = await _temporal(servers, address=server.address, retry_config=once)
        server.kill()
        await client.get_workflow_handle("nothing").describe()
    finally:
        server.close()
