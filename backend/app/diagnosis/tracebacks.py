"""Python tracebacks in a log: blocks, the chains that they form, and which of them mean nothing."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from app.diagnosis.text import Log

MARK = "Traceback (most recent call last)"
LONGEST_MESSAGE = 40
_HEAD = re.compile(r"^(?:\s*[|+]?\s*)?([A-Za-z_][\w.]*)(?:\[[\w. ]+\])?(?:: ?(.*))?$", re.DOTALL)
_EXCEPTION = re.compile(
    r"^(?:(?:\S+ )?(?:Fatal|Uncaught|Unhandled) (?:exception|error):? )?"
    r"((?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Interrupt|Exit|Timeout|NotFound|Failed|Failure|Violation|Overflow|Denied"
    r"|Expired|Warning|Abort|Aborted|Cancelled|Refused|Fault|Unavailable)(?:Error|Exception)?)(?:: ?(.*))?$"
)
_NEW = re.compile(
    r"^(?:\[?\d{4}[-/]\d\d[-/]\d\d|\[\d\d:\d\d|\d\d:\d\d:\d\d|\[?[EWIF]\d{4} |(?:INFO|WARNING|ERROR|DEBUG|CRITICAL)\b[ :]"
    r"|wandb:|(?:[Ee]poch|[Ss]tep|[Ii]ter|[Bb]atch|EPOCH)\b\W{0,3}\d|Epoch\b|\s*\d+%\||Exception ignored|Exception in thread"
    r"|Error in atexit|During handling of|The above exception|slurmstepd|srun:"
    r"|(?:dmesg|kernel|nvidia-smi|kubectl)\b|\[ *\d+\.\d{2,}\]|NVRM: |\[rank|resource_tracker|=====|-----)"
    r"|it/s[\],]|leaked (?:semaphore|shared_memory)"
)
_OPENED = re.compile(r"(?:[:{\[(]|\.call\(\)\.)\s*$")
_LONG = "Graph execution error"
_LINKS = ("The above exception was the direct cause", "During handling of the above exception")
_NESTED = (
    "Original Traceback",
    "terminated with the following error",
    '"""',
    "_RemoteTraceback",
    "Exception Group Traceback",
)
_NOISE = ("Exception ignored in", "Exception ignored on", "Error in atexit._run_exitfuncs", "Error in sys.excepthook")
_WRAPPER = re.compile(
    r"Caught \w+ in (?:DataLoader worker|replica|pin memory)"
    r"|^(?:torch\.multiprocessing\.spawn\.)?Process(?:Raised|Exited)Exception|ChildFailedError|RayTaskError|_RemoteTraceback|RemoteTraceback|^(?:[\w.]+\.)?(?:SystemExit|TrialRunnerError|TuneError)\b"
)


@dataclass(slots=True)
class Raised:
    """One exception as it was printed: from line `start` to line `end` (indices), its text, the frames above it.

    `role`: ``plain``; ``wrapper`` carries another one's text; ``noise`` was raised while the interpreter cleaned up;
    ``thread`` ended a thread, not the process.
    """

    start: int
    head: int
    end: int
    kind: str
    text: str
    frames: str
    rank: str | None
    role: str = "plain"
    complete: bool = True
    handling: bool = False
    """Whether it was raised while the one before it in the chain was being handled, not because of it."""
    chain: "list[Raised]" = field(default_factory=list, repr=False)


def kind_of(text: str) -> str:
    """The name of the exception that a printed text begins with, without its module; empty where there is none."""
    found = _HEAD.match(text)
    return found[1].rpartition(".")[2] if found else ""


def is_exception(text: str) -> bool:
    """Whether a line is an exception as Python prints it."""
    return _EXCEPTION.match(text) is not None


class _Stream:
    """The lines of one rank, read from top to bottom."""

    def __init__(self, log: Log, indices: Sequence[int], rank: str | None) -> None:
        self.log, self.indices, self.rank = log, indices, rank
        self.texts = [log.lines[index].text for index in indices]

    def read(self) -> list[Raised]:
        found: list[Raised] = []
        place = 0
        while place < len(self.texts):
            if MARK in self.texts[place]:
                block, place = self._block(place)
                self._join(found, block)
            else:
                place += 1
        return found

    def _prefix(self, place: int) -> int:
        """Length of the prefix that a logger put before each line of the traceback."""
        column = self.texts[place].find(MARK)
        following = self.texts[place + 1] if place + 1 < len(self.texts) else ""
        first = following.find('File "')
        return max(0, first - 2) if column > 0 and first > 2 else 0

    def _block(self, place: int) -> tuple[Raised, int]:
        cut, start = self._prefix(place), place
        place += 1
        while place < len(self.texts) and (
            self.texts[place][cut:].startswith((" ", "\t", "> ", "|", "│")) or not self.texts[place][cut:].strip()
        ):
            if not self.texts[place][cut:].strip() and place > start + 1:
                break
            place += 1
        head = place
        while head < len(self.texts) and not self.texts[head][cut:].strip() and head < place + 2:
            head += 1
        frames = "\n".join(line[cut:] for line in self.texts[start + 1 : place])
        if head >= len(self.texts) or not _HEAD.match(self.texts[head][cut:]):
            return self._raised(start, place - 1, place - 1, "", frames, complete=False), place
        end = self._message_end(head, cut)
        text = "\n".join(line[cut:] for line in self.texts[head : end + 1])
        return self._raised(start, head, end, text, frames), end + 1

    def _message_end(self, head: int, cut: int) -> int:
        """Index of the last line that belongs to an exception's message."""
        end = head
        while end + 1 < len(self.texts) and end - head < LONGEST_MESSAGE:
            line = self.texts[end + 1][cut:]
            opened = (_OPENED.search(self.texts[end][cut:]) is not None and end - head < 3) or _LONG in self.texts[head]
            if MARK in line or line.startswith(_NESTED) or _NEW.search(line) or (not line.strip() and not opened):
                break
            end += 1
        return end

    def _raised(self, start: int, head: int, end: int, text: str, frames: str, *, complete: bool = True) -> Raised:
        before = "\n".join(self.texts[max(0, start - 2) : start])
        role = "plain"
        if any(mark in before for mark in _NOISE):
            role = "noise"
        elif _WRAPPER.search(text):
            role = "wrapper"
        elif "Exception in thread" in before:
            role = "thread"
        at = self.indices
        return Raised(at[start], at[head], at[end], kind_of(text), text, frames, self.rank, role, complete)

    def _join(self, found: list[Raised], block: Raised) -> None:
        """Puts a block into the chain of the one before where the lines between say so."""
        if found and found[-1].role != "noise":
            last = found[-1]
            between = [
                self.log.lines[i].text for i in range(last.head, block.start + 1) if self.log.lines[i].rank == self.rank
            ]
            if any(mark in line for line in between for mark in (*_LINKS, *_NESTED)):
                block.chain = last.chain
                block.handling = any(_LINKS[1] in line for line in between)
        block.chain = block.chain or []
        block.chain.append(block)
        found.append(block)


def read_tracebacks(log: Log) -> list[Raised]:
    """Every traceback of a log, rank by rank, in the order of their lines."""
    if MARK.encode() not in log.buffer:
        return []
    found = [block for rank, indices in log.streams().items() for block in _Stream(log, indices, rank).read()]
    return sorted(found, key=lambda block: block.start)
