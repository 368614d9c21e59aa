"""Signs of life."""

import os
import threading
import time
from pathlib import Path

from trainers.harness.pulse import Pulse


def test_the_heartbeat_file_is_touched_again_and_again(tmp_path: Path) -> None:
    pulse = Pulse(tmp_path, interval=0.01)
    pulse.start()
    os.utime(tmp_path / "heartbeat", (0, 0))
    deadline = time.monotonic() + 5
    while (tmp_path / "heartbeat").stat().st_mtime < 1:
        assert time.monotonic() < deadline
    pulse.stop()


def test_the_heartbeat_ends_when_the_agent_has_taken_the_folder_away(tmp_path: Path) -> None:
    pulse = Pulse(tmp_path, interval=0.01)
    pulse.start()
    (tmp_path / "heartbeat").unlink()
    pulse._thread.join(5)
    assert not pulse._thread.is_alive()
    pulse.stop()
    assert "heartbeat" not in [thread.name for thread in threading.enumerate()]
