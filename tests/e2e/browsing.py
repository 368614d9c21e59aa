"""What browser tests stand on: `vtp up` in a home of its own, the API as the browser reaches it, patience."""

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 30.0
AGAIN = 2
"""A kept connection may be closed by the server in the moment in which it is used again."""
SMALL = {"framework": "sklearn", "model": "sgd-linear", "epochs": 4, "batch_size": 64}


class Platform:
    """`vtp up` in a home of its own; `environment` is what it is told besides."""

    def __init__(self, home: Path, **environment: str) -> None:
        self.home = home
        self.log = (home / "up.log").open("w")
        self.process = subprocess.Popen(
            [ROOT / ".venv" / "bin" / "vtp", "--json", "up"],
            env={**os.environ, "VTP_HOME": str(home), **environment},
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        told = ""
        while "}" not in told:
            line = self.process.stdout.readline()
            assert line, f"the platform ended: {(home / 'up.log').read_text()}"
            told += line
        self.address: str = json.loads(told)["url"]
        self.link: str = json.loads(told)["link"]
        self.token = self.link.split("token=")[1]

    def processes(self, part: str) -> list[int]:
        """Processes whose command line has `part` and that belong to this platform, by its home."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                ours = str(self.home) in command or f"VTP_HOME={self.home}".encode() in (folder / "environ").read_bytes()
            except OSError:
                continue  # it has ended in between
            if ours and part in command:
                found.append(int(folder.name))
        return found

    def training(self, job_id: str) -> int | None:
        """The training process of a job: the child of the one that guards it."""
        for guard in self.processes(f"/attempts/{job_id}/"):
            for child in Path(f"/proc/{guard}/task/{guard}/children").read_text().split():
                # Before it has become the training it looks like the one that guards it.
                if b"shim.py" not in Path(f"/proc/{child}/cmdline").read_bytes():
                    return int(child)
        return None

    def stop(self) -> None:
        """Ends everything that this platform started."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.log.close()
        for guard in self.processes("/attempts/"):
            os.killpg(os.getpgid(guard), signal.SIGKILL)


class Client:
    """The API as the logged-in browser reaches it."""

    def __init__(self, context: BrowserContext, address: str) -> None:
        self.context, self.base = context, f"{address}/api/v1"

    def get(self, path: str) -> Any:
        answer = self.context.request.get(self.base + path, max_retries=AGAIN)
        assert answer.ok, answer.text()
        return answer.json()

    def post(self, path: str, body: Any) -> Any:
        headers = {"Prefer": "respond-async", "Idempotency-Key": os.urandom(8).hex()}
        answer = self.context.request.post(self.base + path, data=body, headers=headers, max_retries=AGAIN)
        assert answer.ok, answer.text()
        return answer.json()

    def start(self, **config: Any) -> str:
        """Submits a small training; its id."""
        job_id: str = self.post("/training-jobs", {**SMALL, **config})["job_id"]
        return job_id

    def status(self, job_id: str) -> str:
        return str(self.get(f"/training-jobs/{job_id}")["status"])


def opened(browser: Browser, platform: Platform, link: str | None = None, **options: Any) -> BrowserContext:
    """A browser that has followed the link; without one the link that `vtp up` prints."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=platform.address)
    page = context.new_page()
    page.goto(link or platform.link)
    page.close()
    return context
