"""What runs in the pod of an attempt: its supervisor, which brings the data, trains, and tells the backend everything.

``python -m trainers.agent.kubernetes.pod``. It ends with the training's own exit code when the backend has its last word.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

from trainers.agent import spans
from trainers.agent.agent import log
from trainers.agent.backend import Backend
from trainers.agent.cgroup import Cgroups
from trainers.agent.evidence import read_json
from trainers.agent.frameworks import Framework, discover
from trainers.agent.kubernetes.manifest import MOUNT
from trainers.agent.options import TRAINERS
from trainers.agent.outbox import Key, Outbox
from trainers.agent.settings import AgentSettings
from trainers.agent.start import keep_spec
from trainers.agent.supervisor import Supervisor

NOT_STARTED, CANCELLED, SIGNALS = 1, 20, 128


class Journal(Outbox):
    """A journal that remembers the last word."""

    last: dict[str, Any] | None = None

    def append(self, key: Key, updates: list[dict[str, Any]], **position: Any) -> None:
        """Stores updates."""
        super().append(key, updates, **position)
        if position.get("ended"):
            self.last = updates[-1]


def exit_code(last: dict[str, Any] | None) -> int:
    """The pod's exit code for an attempt's last word: the training's, as a shell would tell it."""
    if last is None or last["status"] == "succeeded":
        return 0
    evidence = last.get("evidence") or {}
    if evidence.get("signal"):
        return SIGNALS + int(evidence["signal"])
    usual = CANCELLED if last["status"] == "cancelled" else NOT_STARTED
    return int(evidence.get("exit_code") or usual)


def _framework(name: str, home: Path) -> Framework:
    """The trainer of this image.

    Raises:
        SystemExit: there is none of this name.
    """
    trainers = Path(os.environ.get("VTP_TRAINERS_DIR") or TRAINERS)
    for framework in discover(trainers, home / "cache" / "frameworks"):
        if framework.name == name and framework.available:
            return framework
    raise SystemExit(f"the image has no trainer {name} that can be used")


async def carry_out(spec: dict[str, Any], home: Path, backend_url: str) -> int:
    """Carries one attempt through; the exit code."""
    key: Key = (str(spec["job_id"]), int(spec["attempt"]))
    folder = home / "attempts" / key[0] / str(key[1])
    framework = _framework(str(spec["framework"]), home)
    keep_spec(folder, spec)
    outbox, backend = Journal(home / "outbox.db"), Backend(backend_url, "")
    outbox.open(key)
    cache = Path(os.environ.get("VTP_DATA_CACHE") or home / "cache" / "datasets")
    settings = AgentSettings.read()
    supervisor = Supervisor(folder, spec, framework, backend, outbox, cache, log, settings, Cgroups())
    # A pod is asked to end when its node is drained, its place is taken, or its Job is deleted.
    stop = lambda: supervisor.stop("shutdown", notice="SIGTERM to the pod")  # noqa: E731 - one line for two signals
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        await supervisor.run()
    finally:
        await backend.close()
        outbox.close()
    return exit_code(outbox.last)


def main() -> int:
    """Entry point."""
    spec = read_json(Path(os.environ.get("VTP_ASSIGNMENT") or MOUNT) / "spec.json")
    if spec is None:
        raise SystemExit("there is no assignment here")
    home = Path(os.environ.get("VTP_POD_HOME") or "/var/lib/vtp")
    spans.configure()
    try:
        return asyncio.run(carry_out(spec, home, os.environ["VTP_BACKEND_URL"]))
    finally:
        spans.flush()


if __name__ == "__main__":
    sys.exit(main())
