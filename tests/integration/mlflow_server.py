"""A real MLflow server with user and password, on SQLite and a folder; its libraries have an environment of their own."""

import os
import resource
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.core.servers import Server
from tests.waiting import free_port, until

PYTHON = Path(__file__).resolve().parents[2] / ".servers" / "mlflow" / "bin" / "python"
READY_SECONDS = 60.0
USER, PASSWORD = "admin", "password-of-tests"
LOGIN = {"MLFLOW_TRACKING_USERNAME": USER, "MLFLOW_TRACKING_PASSWORD": PASSWORD}
"""What a client needs in its environment."""


class Mlflow(Server):
    """MLflow's server as `mlflow server --app-name basic-auth` runs it, started directly: that takes a tenth of the time."""

    def __init__(self, *, start: bool = True) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="vtp-mlflow-"))
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        if start:
            self.start()

    def start(self) -> None:
        """Starts it, also after a crash, with what it had."""
        own = {
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "DO_NOT_TRACK": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_AUTH_ADMIN_PASSWORD": PASSWORD,
            "MLFLOW_AUTH_CONFIG_PATH": str(self.folder / "auth.ini"),
            "MLFLOW_FLASK_SERVER_SECRET_KEY": "of-tests",
            "_MLFLOW_SGI_NAME": "uvicorn",
            "_MLFLOW_SERVER_FILE_STORE": f"sqlite:///{self.folder}/ml.db",
            "_MLFLOW_SERVER_ARTIFACT_DESTINATION": str(self.folder / "artifacts"),
            "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
            "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        }
        # A password that was right once is not hashed again for each request: that would take longer than the request.
        rules = {"default_permission": "READ", "database_uri": f"sqlite:///{self.folder}/auth.db", "admin_username": USER}
        rules |= {"authorization_function": "mlflow.server.auth:authenticate_request_basic_auth"}
        rules |= {"auth_cache_ttl_seconds": "3600", "grant_default_workspace_access": "false"}
        lines = [f"{name} = {value}" for name, value in rules.items()]
        (self.folder / "auth.ini").write_text("\n".join(["[mlflow]", *lines, ""]))
        options = ["--factory", "mlflow.server.auth:create_app", "--host", "127.0.0.1", "--port", self.port]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")} | own
        self.run(PYTHON, "-m", "uvicorn", *options, cwd=self.folder, env=environment)
        until(lambda: httpx.get(f"{self.url}/health", timeout=5).is_success, "MLflow", READY_SECONDS)

    def hang(self, yes: bool = True) -> None:
        """Stops the process in its tracks, or lets it go on."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGSTOP if yes else signal.SIGCONT)

    def fill(self, yes: bool = True) -> None:
        """No file of it may grow any more, as on a full disk; or it may again."""
        assert self.process is not None
        _, most = resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (1024 if yes else most, most))

    def close(self) -> None:
        """Ends it and removes its files."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def skip_without() -> None:
    """Skips a test that cannot have a server."""
    if not PYTHON.exists():
        pytest.skip("MLflow's server is not installed (tools/setup.py test puts it into .servers/mlflow)")


@pytest.fixture(scope="session")
def mlflow_server() -> Iterator[Mlflow]:
    """An MLflow server that the tests of a session share; who breaks it mends it."""
    skip_without()
    server = Mlflow()
    yield server
    server.close()
