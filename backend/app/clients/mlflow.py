"""Trainings as runs of an MLflow server, over MLflow's own client. What that raises ends here.

MLflow's client blocks, takes seconds to import and by default tries again for minutes. So it works in threads beside the
event loop, is imported on first use, and its own retries are off: the `mlflow` policy is the one layer that tries again.
Everything here may be done twice: a run is found by its key, and a point, a file or a model is not stored a second time.
"""

import asyncio
import os
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit, urlunsplit

from app.clients.mlflow_reasons import Answered, denied, reason_of
from app.clients.mlflow_waits import asked, note_waits
from app.core.errors import PlatformError
from app.core.logging import get_logger
from app.core.policies import MLFLOW
from app.core.retry import retrying

T = TypeVar("T")
Ended = Literal["FINISHED", "FAILED", "KILLED"]
ANSWER_SECONDS = 10
"""How long the server may stay silent in one call."""
PROBE_SECONDS = 3
KEY_TAG = "vtp.key"
POINTS_AT_ONCE = 500
SETTINGS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": str(ANSWER_SECONDS),
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
"""What MLflow's client reads from the environment at each call."""
_VERSION = re.compile(r"[\w.+-]{1,40}")
logger = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RunStart:
    """A run as it begins. `key` is its own for ever: the run is found by it."""

    key: str
    name: str
    began_ms: int
    params: Mapping[str, str]
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Point:
    """A figure of a training at a step."""

    name: str
    value: float
    at_ms: int
    step: int


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A trained model: the folder with its files, and what it is."""

    folder: Path
    name: str
    kind: str
    params: Mapping[str, str]


class MlflowClient:
    """One MLflow server and experiment.

    Every method gives None where the server is away, also after the policy's tries, and where it asks to be left alone
    (`wait_asked`); `trouble` tells why. It raises `PlatformError` (MLFLOW_UNAVAILABLE) where the server is there and
    refuses, with what it said in `trouble`.
    """

    def __init__(self, uri: str, experiment: str = "vtp") -> None:
        self.uri = uri.rstrip("/")
        self.experiment = experiment
        self.trouble = ""
        self.denied = False
        """The last refusal was of the credentials, so everything will be refused."""
        self.wait_asked: float | None = None
        """Seconds for which the server asked to be left alone."""
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="mlflow")
        self._made: Any = None
        self._protected = retrying(MLFLOW)(self._unless_told_to_wait)

    @property
    def address(self) -> str:
        """The server's address without user and password, fit to be shown."""
        parts = urlsplit(self.uri)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))

    def close(self) -> None:
        """Leaves the thread to itself; a call under way ends by its time-out."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def version(self) -> str:
        """The server's version, asked for once and not for long.

        Raises:
            PlatformError: MLFLOW_UNAVAILABLE; `trouble` tells why. So also, unasked, while it is to be left alone.
        """
        if self.wait_asked is not None:
            raise PlatformError.from_code("MLFLOW_UNAVAILABLE")
        return await self._tried_once(_version)

    async def open_run(self, start: RunStart) -> str | None:
        """The address of the run with this key (its last part is the run's id), made where there is none."""
        return await self._ask(lambda client: _open(client, self.experiment, self.address, start))

    async def log(self, run_id: str, points: Sequence[Point], tags: Mapping[str, str] | None = None) -> bool | None:
        """Stores points and tags of a run."""

        def work(client: Any) -> bool:
            from mlflow.entities import Metric, RunTag

            metrics = [Metric(point.name, point.value, point.at_ms, point.step) for point in points]
            labels = [RunTag(name, value) for name, value in (tags or {}).items()]
            for first in range(0, max(1, len(metrics)), POINTS_AT_ONCE):
                client.log_batch(run_id, metrics[first : first + POINTS_AT_ONCE], tags=labels if first == 0 else ())
            return True

        return await self._ask(work)

    async def add_file(self, run_id: str, path: Path, folder: str) -> bool | None:
        """Stores a file with a run."""
        return await self._ask(lambda client: client.log_artifact(run_id, str(path), folder) or True)

    async def add_model(self, run_id: str, model: ModelFiles) -> bool | None:
        """Stores the model that a run made, once."""
        return await self._ask(lambda client: _add_model(client, run_id, model) or True)

    async def end_run(self, run_id: str, status: Ended, ended_ms: int) -> bool | None:
        """Closes a run."""
        return await self._ask(lambda client: client.set_terminated(run_id, status, ended_ms) or True)

    async def _ask(self, work: Callable[[Any], T]) -> T | None:
        try:
            return await self._protected(work)
        except Exception as error:
            raise PlatformError.from_code("MLFLOW_UNAVAILABLE", cause=error) from error

    async def _tried_once(self, work: Callable[[Any], T]) -> T:
        try:
            return await self._once(work)
        except Exception as error:
            raise PlatformError.from_code("MLFLOW_UNAVAILABLE", cause=error) from error

    async def _unless_told_to_wait(self, work: Callable[[Any], T]) -> T | None:
        """One call; None where the server says for how long to leave it alone: no policy knows better."""
        try:
            return await self._once(work)
        except Exception:
            if self.wait_asked is None:
                raise
            return None

    async def _once(self, work: Callable[[Any], T]) -> T:
        """One call in the thread; the caller's cancellation leaves it there."""
        waits: list[float] = []
        context = copy_context()
        context.run(asked.set, waits)
        try:
            result = await asyncio.get_running_loop().run_in_executor(
                self._pool, lambda: context.run(lambda: work(self._client()))
            )
        except Exception as error:
            self.trouble, self.denied = reason_of(error), denied(error)
            self.wait_asked = max(waits, default=None)
            logger.info("mlflow call failed", reason=self.trouble)
            raise
        self.trouble, self.denied, self.wait_asked = "", False, None
        return result

    def _client(self) -> Any:
        if self._made is None:
            for name, value in SETTINGS.items():
                os.environ.setdefault(name, value)
            from mlflow.tracking import MlflowClient as Client

            note_waits()
            self._made = Client(self.uri, self.uri)
        return self._made


def _version(client: Any) -> str:
    from mlflow.utils.credentials import get_default_host_creds
    from mlflow.utils.rest_utils import http_request

    creds = get_default_host_creds(client.tracking_uri)
    answer = http_request(creds, "/version", "GET", timeout=PROBE_SECONDS, max_retries=0, raise_on_status=False)
    if answer.status_code == HTTPStatus.NOT_FOUND:
        return "unknown"
    if answer.status_code != HTTPStatus.OK:
        raise Answered(answer.status_code)
    version = str(answer.text).strip()
    if not _VERSION.fullmatch(version):
        raise Answered(None)
    return version


def _open(client: Any, experiment: str, address: str, start: RunStart) -> str:
    from mlflow.entities import Param

    experiment_id = _experiment(client, experiment)
    found = client.search_runs([experiment_id], f"tags.`{KEY_TAG}` = '{start.key}'", max_results=1)
    if found:
        run_id = found[0].info.run_id
    else:
        tags = {**start.tags, KEY_TAG: start.key}
        run_id = client.create_run(experiment_id, start.began_ms, tags, start.name).info.run_id
    client.log_batch(run_id, params=[Param(name, value) for name, value in start.params.items()])
    return f"{address}/#/experiments/{experiment_id}/runs/{run_id}"


def _experiment(client: Any, name: str) -> str:
    found = client.get_experiment_by_name(name)
    if found is None:
        return str(client.create_experiment(name))
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


def _add_model(client: Any, run_id: str, model: ModelFiles) -> None:
    from mlflow.entities import LoggedModelOutput
    from mlflow.models import Model

    run = client.get_run(run_id)
    if run.outputs is not None and run.outputs.model_outputs:
        return
    made = client.create_logged_model(
        run.info.experiment_id, model.name, source_run_id=run_id, params=dict(model.params), model_type=model.kind
    )
    about = Model(run_id=run_id, model_id=made.model_id, flavors={"vtp": dict(model.params)})
    about.save(str(model.folder / "MLmodel"))
    client.log_model_artifacts(made.model_id, str(model.folder))
    client.finalize_logged_model(made.model_id, "READY")
    client.log_outputs(run_id, [LoggedModelOutput(made.model_id, step=0)])
