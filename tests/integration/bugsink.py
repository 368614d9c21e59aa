"""A real server of Sentry's protocol (Bugsink), to read back what was sent to it.

Its database is made once for a version of it, under ``.servers``; each server works on a copy.
"""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from tests.waiting import free_port, until

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / ".servers" / "bugsink"
PYTHON = HOME / "bin" / "python"
SETTINGS = """
BUGSINK["PHONEHOME"] = False
BUGSINK["BASE_URL"] = "http://127.0.0.1:{port}"
BUGSINK["INGEST_STORE_BASE_DIR"] = {ingest!r}
"""
MAKE = """
import os, sys
sys.path.insert(0, os.getcwd())
os.environ["DJANGO_SETTINGS_MODULE"] = "bugsink_conf"
import django
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from projects.models import Project
from teams.models import Team
from bsmain.models import AuthToken
project = Project.objects.create(name="vtp", team=Team.objects.create(name="team"))
print(project.sentry_key.hex, AuthToken.create_full_access().token)
"""


def _configure(folder: Path, port: int) -> None:
    command = [HOME / "bin" / "bugsink-create-conf", "--template=local", "--host=127.0.0.1", f"--port={port}"]
    subprocess.run([*command, "-o", "bugsink_conf.py"], cwd=folder, check=True, capture_output=True)
    with (folder / "bugsink_conf.py").open("a") as file:
        file.write(SETTINGS.format(port=port, ingest=str(folder / "ingest")))


def _template() -> Path:
    """A folder with a database that has one project; its key and a token stand beside it."""
    lock = (ROOT / "requirements" / "bugsink.lock").read_bytes()
    target = HOME / f"template-{hashlib.sha256(lock + MAKE.encode()).hexdigest()[:12]}"
    if target.exists():
        return target
    part = HOME / f"part-{os.getpid()}"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    _configure(part, 1)
    (part / "make.py").write_text(MAKE)
    made = subprocess.run([PYTHON, "make.py"], cwd=part, check=True, capture_output=True, text=True)
    (part / "known").write_text(made.stdout)
    if target.exists():
        shutil.rmtree(part)
    else:
        part.rename(target)
    return target


class Bugsink:
    """A running server; `dsn` is its one project's. `kill` and `start` as a crash does it."""

    def __init__(self, folder: Path) -> None:
        template = _template()
        self.folder, self.port = folder, free_port()
        folder.mkdir(parents=True, exist_ok=True)
        _configure(folder, self.port)
        shutil.copy(template / "db.sqlite3", folder / "db.sqlite3")
        self.key, self.token = (template / "known").read_text().split()
        self.start()

    def dsn(self, port: int | None = None) -> str:
        """The DSN, by way of another port where one is named."""
        return f"http://{self.key}@127.0.0.1:{port or self.port}/1"

    def start(self) -> None:
        """Starts the server and waits until it answers."""
        command = [
            HOME / "bin" / "gunicorn", f"--bind=127.0.0.1:{self.port}", "--workers", "1", "--threads", "4",
            "--graceful-timeout", "1", "--no-control-socket", "bugsink.wsgi",
        ]  # fmt: skip
        environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "bugsink_conf"}
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=self.folder, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        until(lambda: self._get("/health/ready", plain=True), "Bugsink to be ready")

    def kill(self) -> None:
        """Ends it by kill -9."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)

    def _get(self, path: str, *, plain: bool = False) -> Any:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}")
        request.add_header("Authorization", f"Bearer {self.token}")
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.read() if plain else json.load(answer)

    def issues(self) -> list[dict[str, Any]]:
        """All issues, newest first."""
        return list(self._get("/api/canonical/0/issues/?project=1")["results"])

    def tagged(self, **tags: str) -> list[dict[str, Any]]:
        """The contents of all events with these tags; of all events without any."""
        wanted = urllib.parse.quote(" ".join(f"{name}:{value}" for name, value in tags.items()))
        path = "/api/canonical/0/events"
        lists = [self._get(f"{path}/?issue={issue['id']}&q={wanted}")["results"] for issue in self.issues()]
        return [self._get(f"{path}/{event['id']}/")["data"] for events in lists for event in events]


def tags_of(event: dict[str, Any]) -> dict[str, str]:
    """An event's tags, in whichever of the protocol's two forms: a mapping, or pairs."""
    tags = event.get("tags") or {}
    return dict(tags)
