"""Signs of life from inside the training: a heartbeat, and on request where its threads stand."""

import faulthandler
import os
import signal
import threading
from pathlib import Path
from typing import BinaryIO

HEARTBEAT_SECONDS = 2.0


class Pulse:
    """Touches ``heartbeat`` as long as the interpreter runs other threads; SIGUSR1 writes all stacks to ``stack.txt``."""

    def __init__(self, folder: Path, interval: float = HEARTBEAT_SECONDS) -> None:
        self.file = folder / "heartbeat"
        self.interval = interval
        self._stopped = threading.Event()
        # faulthandler writes to the descriptor from the signal handler itself, so that a hang in C is seen too.
        self._stack: BinaryIO = (folder / "stack.txt").open("wb")
        faulthandler.register(signal.SIGUSR1, file=self._stack, all_threads=True, chain=False)
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Begins to beat."""
        self.file.touch()
        self._thread.start()

    def _beat(self) -> None:
        while not self._stopped.wait(self.interval):
            try:
                os.utime(self.file)
            except OSError:
                # The agent has taken the folder away: nobody listens any more.
                return

    def stop(self) -> None:
        """Ends the beating."""
        self._stopped.set()
        faulthandler.unregister(signal.SIGUSR1)
        self._stack.close()
