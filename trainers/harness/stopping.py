"""SIGTERM: at once for trainers that do not look, at the next step for those that do."""

import signal
from types import FrameType

LATE_SECONDS = 5.0


class Stopped(BaseException):
    """The training was asked to stop; it passes through handlers of ordinary exceptions."""


class StopRequest:
    """Knows whether the training was asked to stop.

    A trainer that asks `requested` after every step is trusted to write a checkpoint and raise `Stopped` (by `leave`); where
    it does not come to that in 5 s, and for trainers that never ask, `Stopped` is raised wherever the training stands.
    """

    def __init__(self, late: float = LATE_SECONDS) -> None:
        self.late = late
        self._requested = False
        self._asked = False

    def install(self) -> None:
        """Takes SIGTERM."""
        signal.signal(signal.SIGTERM, self._on_term)

    def ignore(self) -> None:
        """From now on nothing interrupts: the end is being written down."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    def requested(self) -> bool:
        """Whether the training is to stop now."""
        self._asked = True
        return self._requested

    def leave(self) -> None:
        """Ends the training as one that was asked to.

        Raises:
            Stopped: always.
        """
        self.ignore()
        raise Stopped

    def _on_term(self, _signal: int, _frame: FrameType | None) -> None:
        # A second signal must not interrupt what the first has begun.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self._requested = True
        if not self._asked:
            raise Stopped
        signal.signal(signal.SIGALRM, self._on_late)
        signal.setitimer(signal.ITIMER_REAL, self.late)

    def _on_late(self, _signal: int, _frame: FrameType | None) -> None:
        raise Stopped
