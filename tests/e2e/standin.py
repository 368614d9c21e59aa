"""An agent that trains nothing: it takes the jobs of a framework of its own and tells what a test has it tell.

So every state of a job can be brought about on the real backend, in the very order in which real agents tell it.
"""

import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from tests.conftest import DESCRIPTOR, TrainerService
from tests.waiting import until

NAME = "standin"
EVERY_SECONDS = 4.0
MODEL = {"name": "stand-in", "task": "classify", "family": "none", "params": None}
OFFERED = {**DESCRIPTOR, "framework": NAME, "tasks": ["classify"], "models": [MODEL], "primary_metric": {}, "defaults": {}}

TRACEBACK = """Traceback (most recent call last):
  File "train.py", line 12, in forward
    return self.conv(x)
{error}
"""


class StandIn:
    """Registers itself, stays alive, and has `Attempt`s."""

    def __init__(self, address: str, home: Path) -> None:
        self.service = TrainerService()
        secret = (home / "secrets" / "agent").read_text().strip()
        self.http = httpx.Client(base_url=address, timeout=30)
        self.agent = {"Authorization": f"Bearer {secret}"}
        self.over = threading.Event()
        self._report()
        self.beat = threading.Thread(target=self._alive, daemon=True)
        self.beat.start()

    def _report(self) -> None:
        body = {"name": NAME, "url": self.service.url, "slots": 20, "frameworks": [OFFERED], "version": "test"}
        self.http.put(f"/api/v1/agents/{NAME}", json=body, headers=self.agent).raise_for_status()

    def _alive(self) -> None:
        while not self.over.wait(EVERY_SECONDS):
            self._report()

    def attempt(self, job_id: str) -> "Attempt":
        """The newest attempt of a job, as soon as it was handed over."""

        def handed() -> dict[str, Any] | None:
            return next((spec for spec in reversed(self.service.specs) if spec["job_id"] == job_id), None)

        return Attempt(self.http, until(handed, f"an attempt of {job_id}"))

    def next(self, job_id: str, after: int) -> "Attempt":
        """The attempt of a job that follows attempt number `after`."""
        until(lambda: self.attempt(job_id).spec["attempt"] > after, f"an attempt of {job_id} after {after}")
        return self.attempt(job_id)

    def close(self) -> None:
        """Ends it; nothing of it is left."""
        self.over.set()
        self.beat.join()
        self.service.close()
        self.http.close()


class Attempt:
    """What is told of one attempt."""

    def __init__(self, http: httpx.Client, spec: dict[str, Any]) -> None:
        self.http, self.spec, self.seq, self.bytes = http, spec, 0, 0
        self.headers = {"Authorization": f"Bearer {spec['token']}"}

    def tell(self, *updates: dict[str, Any]) -> None:
        """Tells updates, in order."""
        numbered = []
        for update in updates:
            self.seq += 1
            at = datetime.now(UTC).isoformat()
            numbered.append({"status": "running", "at": at, "attempt": self.spec["attempt"], "seq": self.seq, **update})
        path = self.spec["callback_url"].split("/", 3)[3]
        self.http.post(f"/{path}", json=numbered, headers=self.headers).raise_for_status()

    def log(self, text: str, dropped: int = 0) -> dict[str, Any]:
        """A piece of log as an update."""
        piece = {"offset": self.bytes, "text": text, "dropped_bytes": dropped}
        self.bytes += len(text.encode()) + dropped
        return {"log": piece}

    def file(self, name: str, content: bytes, role: str, media_type: str, epoch: int | None = None) -> None:
        """Uploads a file and tells of it."""
        import hashlib

        digest = hashlib.sha256(content).hexdigest()
        headers = {**self.headers, "X-Content-SHA256": digest, "X-Artifact-Role": role, "Content-Type": media_type}
        if epoch is not None:
            headers["X-Artifact-Epoch"] = str(epoch)
        path = self.spec["artifacts_url"].split("/", 3)[3]
        self.http.put(f"/{path}/{name}", content=content, headers=headers).raise_for_status()
        note = {"name": name, "bytes": len(content), "sha256": digest, "media_type": media_type, "role": role}
        self.tell({"artifact": {**note, "epoch": epoch}})


def epoch(number: int, epochs: int, loss: float | str, metric: float, **more: Any) -> dict[str, Any]:
    """The end of an epoch as an update."""
    figures = {"losses": {"train/loss": loss, "val/loss": loss}, "metrics": {"metrics/mAP50(B)": metric}, "lr": 0.01}
    memory = {"rss_bytes": 2.1e9, "rss_limit_bytes": 16e9, "gpu_bytes": 5.5e9, "gpu_total_bytes": 8e9}
    room = {"memory": memory, "disk": {"free_bytes": 210e9, "total_bytes": 500e9}, "eta_s": (epochs - number) * 40.0}
    return {"progress": {"epoch": number, "epochs": epochs, "epoch_end": True, **figures, **room, **more}}


def fail(attempt: Attempt, error: str, code: str | None = None, *, wait: int = 0, **evidence: Any) -> None:
    """Ends an attempt with an exception, as a real one would."""
    text = TRACEBACK.format(error=error)
    kind, _, message = error.partition(": ")
    frames = [{"file": "/opt/vtp/trainers/demo/train.py", "line": 12, "function": "forward", "code": "return self.conv(x)"}]
    chain = [{"type": kind, "module": "builtins", "message": message, "frames": frames}]
    if error:
        attempt.tell(attempt.log(text))
    told = {"error": {"code": code, "message": message, "details": {"retry_after": wait} if wait else {}}} if code else {}
    whole = {"exceptions": chain, "exit_code": 13, "log": text, **evidence}
    attempt.tell({"status": "failed", **told, "evidence": whole})
