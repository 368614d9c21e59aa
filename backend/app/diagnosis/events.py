"""What single exceptions mean: the events of which a log's reading is made."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from app.diagnosis.signatures import Signature, entity_of, file_in, match_text
from app.diagnosis.tracebacks import Raised, kind_of

PHYSICAL, SPECIFIC, GENERAL = 9, 8, 7
"""Tens of a signature's priority."""
CODE_PRIORITY, VAGUE_PRIORITY = 65, 45
VAGUE = frozenset({"RuntimeError", "Exception", "BaseException", "SystemExit", "Exit", "Error", "OSError", "IOError", ""})


NOT_OF_PEERS = frozenset(
    {
        "MODEL_DATA_MISMATCH",
        "INVALID_CONFIG",
        "INVALID_MODEL",
        "DATASET_INVALID_FORMAT",
        "DATASET_NOT_FOUND",
        "OPERATION_TIMEOUT",
    }
)


@dataclass(slots=True)
class Event:
    """One thing that a log tells of a failure, at line `index` (of the log's lines)."""

    code: str
    priority: int
    role: str
    index: int
    text: str
    entity: str | None
    rank: str | None = None
    raised: Raised | None = None
    scope: str = "exception"

    @property
    def tier(self) -> int:
        """How telling: ten times higher counts more, whatever comes first."""
        return self.priority // 10


def _about(sign: Signature, text: str, frames: str) -> str | None:
    return entity_of(sign.code, sign, text) or file_in(sign.code, text, frames)


def exception_events(text: str, frames: str, index: int, raised: Raised | None = None) -> list[Event]:
    """What the text of one exception means; without a signature of its own, a fault in code."""
    signs = [sign for sign in match_text(text, frames) if sign.role != "advice"]
    if any(sign.role == "cascade" and sign.code == "DISTRIBUTED_COMM_ERROR" for sign in signs):
        # General words about input and time are no match for those of a rank that lost the others.
        signs = [sign for sign in signs if sign.priority // 10 != GENERAL or sign.code not in NOT_OF_PEERS]
    # A pipe between processes that broke tells of the other end, whatever the words.
    pipes = [sign for sign in signs if sign.role == "cascade" and sign.frames is not None]
    found = [
        Event(sign.code, sign.priority, sign.role, index, text, _about(sign, text, frames), raised=raised)
        for sign in pipes or signs
    ]
    if not found:
        kind = kind_of(text)
        priority = VAGUE_PRIORITY if kind in VAGUE else CODE_PRIORITY
        found = [Event("TRAINING_CODE_ERROR", priority, "root", index, text, None, raised=raised)]
    for event in found:
        event.rank = raised.rank if raised else None
    return found


def best(events: Iterable[Event]) -> Event | None:
    """The most telling one, of equals the earlier; a broken device is before all that its programs saw of it."""

    def order(event: Event) -> tuple[int, int, int]:
        broken = event.code == "GPU_HARDWARE_FAULT" and event.tier >= PHYSICAL
        return -event.tier, -1 if broken else event.index, -event.priority

    return min(events, key=order, default=None)


def chain_event(exceptions: Sequence[tuple[str, str]]) -> Event | None:
    """The most telling exception of a chain given root first; texts are `Type: message`, with their frames."""
    events = [event for place, (text, frames) in enumerate(exceptions) for event in exception_events(text, frames, place)]
    roots = [event for event in events if event.role == "root"]
    return best(roots) or best(events)
