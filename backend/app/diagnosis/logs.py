"""What a log says of a failure: which of its lines may be the cause, which follow from it, which were overcome."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice

from app.diagnosis.events import GENERAL, PHYSICAL, VAGUE_PRIORITY, Event, best, exception_events
from app.diagnosis.losses import diverged_line
from app.diagnosis.signatures import Signature, compiled, entity_of, file_before, occurring, places
from app.diagnosis.text import Log, tone_of
from app.diagnosis.tracebacks import Raised, is_exception, read_tracebacks

MOST_BLOCKS, MOST_ORPHANS = 300, 200
BARS_BEFORE, LINES_BEFORE = 50, 5
PROBES = frozenset(
    {
        *("FileNotFoundError", "ImportError", "ModuleNotFoundError", "KeyError", "AttributeError", "StopIteration"),
        *("IndexError", "JSONDecodeError", "UnicodeDecodeError"),
    }
)
"""Exceptions that code provokes to find something out; what is raised while they are handled tells more."""
PURE = frozenset({"NameError", "UnboundLocalError", "SyntaxError", "IndentationError", "TabError", "ImportError"})
_PROGRESS = (
    r"(?i:\b(?:(?:epoch|step|iter|iteration|batch|fold|round|it)\b=?|(?:epoch|step|iter|iteration|batche|fold|round|it)s\b)"
    r"[\s:\[(#]{0,4}\d+(?:[\s:,/\]]|$))"
    r"|\d+/\d+ \[[^\]\n]*(?:it/s|s/it)|\d+/\d+ [^\n]*(?:ms/step|s/step|it/s)|^\s*\d+/\d+\s+[\d.]+G\s"
    r"|(?i:\btraining (?:is |has )?(?:complete|finished|done))\b|^\d+ epochs completed in"
)
_NO_PROGRESS = re.compile(r"\s*(?:wandb:|\$ |yolo |python3? |torchrun |accelerate )")
_BAR = re.compile(r"(\d+)/(\d+) \[")
_ORPHAN = (
    r"^(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Interrupt|NotFound|Exit|Fault|Timeout|Violation)(?:: [^\n]*|:?\s*)$"
    r"|^(?:[a-z_]\w*\.)+exceptions?\.[A-Z]\w+: [^\n]+$"
)
_FAILED = re.compile(
    r"\b(?:training|train|job|run|process|worker|task|fit)\b[^\n]{0,20}\b(?:failed|crashed|aborted|died)\b"
    r"|an error occurred|non-zero exit|FAILED\b|\bexited with (?:exit )?(?:code|status) [1-9]|giving up\b"
    r"|terminated abnormally",
    re.IGNORECASE,
)
_GIVEN_UP = re.compile(r"\b(?:exceeded|exhausted|giving up|gave up|out of retries|last attempt)\b", re.IGNORECASE)
_TASK_FAILED = re.compile(r"srun: error: \S+: tasks? [\d,-]+: (?!Terminated)")
"""Slurm cancels a step whose task failed, in the same words as for its owner."""
_ELASTIC = re.compile(
    r"Root Cause \(first observed failure\):[^\0]{0,400}?rank\s*: (\d+) \(local_rank: \d+\)\s*\n"
    r"[^\0]{0,20}?exitcode\s*: (-?\d+)"
)
_DISTRIBUTED = re.compile(
    rb"torch/distributed|torchrun|multiprocessing/spawn|\brank\W{0,2}\d|NCCL|[Gg]loo|mpirun|srun|local_rank"
)


def _last_line(event: Event) -> int:
    return event.raised.end if event.raised else event.index


@dataclass
class Reading:
    """A log, read: its events by role, and how it ends."""

    log: Log
    events: list[Event] = field(default_factory=list)
    blocks: list[Raised] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.blocks = read_tracebacks(self.log)
        self._owned = {index: block for block in self.blocks for index in range(block.start, block.end + 1)}
        self._signs = occurring(self.log.buffer)
        self.elastic = self._elastic()
        told = self._all()
        self._aftermath = max((event.index for event in told if event.role in ("cascade", "echo")), default=-1)
        self._known: dict[str | None, tuple[int, bool]] = {}
        from_the_end = sorted(told, key=lambda event: -_last_line(event))
        gone = {id(event) for event in from_the_end if self.overcome(event)}
        self.events = [event for event in told if id(event) not in gone]

    def progress(self, first: int, last: int | None = None) -> Iterator[int]:
        """Indices of the lines from `first` up to `last` that show a training at work."""
        lines, starts = self.log.lines, self.log.starts
        if first >= len(lines):
            return
        base = starts[first]
        end = starts[last] if last is not None and last < len(starts) else None
        text = self.log.buffer[base:end]
        seen = -1
        for place in compiled(_PROGRESS).finditer(text):
            index = self.log.at(base + place.start())
            if index != seen and index not in self._owned and not _NO_PROGRESS.match(lines[index].text):
                yield index
            seen = index

    def _elastic(self) -> tuple[str, int] | None:
        """The rank that torchrun saw fail first, and its exit code."""
        if b"Root Cause (first" not in self.log.buffer:
            return None
        text = "\n".join(line.text for line in self.log.lines[-400:])
        found = _ELASTIC.search(text)
        return (found[1], int(found[2])) if found else None

    @cached_property
    def _later_failures(self) -> list[int]:
        """Lines between torchrun's list of failures and the one that it names as the root."""
        hidden: list[int] = []
        listed = False
        for index, line in enumerate(self.log.lines):
            if line.text.startswith("Failures:"):
                listed = True
            elif line.text.startswith("Root Cause (first"):
                listed = False
            if listed:
                hidden.append(index)
        return hidden

    def _all(self) -> list[Event]:
        found: list[Event] = []
        for block in self.blocks[-MOST_BLOCKS:]:
            carried = block.role == "wrapper" and any(other.role == "plain" for other in block.chain)
            if block.role == "noise" or not block.complete or carried:
                continue
            events = exception_events(block.text, block.frames, block.head, block)
            if block.handling and any(event.tier >= GENERAL and event.role == "root" for event in events):
                probes = [other for other in block.chain if other.kind in PROBES and other.head < block.head]
                found = [event for event in found if event.raised is None or event.raised not in probes]
            found += events
        hidden = set(self._later_failures) if self.elastic else set()
        return found + [event for event in (*self._orphans(), *self._lines()) if event.index not in hidden]

    def _orphans(self) -> list[Event]:
        """Exceptions that stand without the traceback that led to them."""
        places_ = islice(compiled(_ORPHAN).finditer(self.log.buffer), MOST_ORPHANS)
        found: list[Event] = []
        for index in dict.fromkeys(self.log.at(place.start()) for place in places_):
            line = self.log.lines[index]
            if index not in self._owned and not _FRAME_OR_WARNING.search(line.text):
                for event in exception_events(line.text, "", index):
                    event.rank = line.rank
                    found.append(self._with_entity(event))
        self._alone = {event.index for event in found}
        return found

    def _lines(self) -> list[Event]:
        """Events outside of tracebacks."""
        found: list[Event] = []
        lines = self.log.lines
        advice = (index for sign in self._signs if sign.role == "advice" for index in self._at(sign))
        advised = {
            index for index in advice if not is_exception(lines[index].text) and not _GIVEN_UP.search(lines[index].text)
        }
        for sign in self._signs:
            if sign.role == "advice" or sign.frames is not None:
                continue
            for index in self._at(sign):
                if index in self._owned or index in self._alone or index in advised:
                    continue
                if self._counts(sign, index):
                    found.append(self._event(sign, index))
        failed = next((index for index, line in enumerate(lines) if _TASK_FAILED.match(line.text)), len(lines))
        return [event for event in found if event.index < failed or event.code != "TRAINING_CANCELLED"]

    def _at(self, sign: Signature) -> list[int]:
        return sorted({self.log.at(offset) for offset in places(sign, self.log.buffer)})

    def _counts(self, sign: Signature, index: int) -> bool:
        line = self.log.lines[index]
        tone = line.tone if line.tone != "plain" else tone_of(line.text)
        if sign.scope == "always":
            return not (tone == "soft" and line.text == "")
        if is_exception(line.text):
            return not line.text.partition(":")[0].endswith("Warning")
        if sign.role == "cascade":
            return True
        return tone == "hard" if sign.scope == "exception" else tone != "soft"

    def _event(self, sign: Signature, index: int) -> Event:
        line = self.log.lines[index]
        scope = "exception" if is_exception(line.text) else sign.scope
        entity = entity_of(sign.code, sign, line.text)
        event = Event(sign.code, sign.priority, sign.role, index, line.text, entity, line.rank, None, scope)
        return self._with_entity(event)

    def _with_entity(self, event: Event) -> Event:
        """The event, about what the lines after it name if its own does not."""
        if event.entity is None:
            following = "\n".join(other.text for other in self.log.lines[event.index : event.index + 4])
            event.entity = entity_of(event.code, None, following)
        return event

    def overcome(self, event: Event) -> bool:
        """Whether the same process went on training after it."""
        if event.code == "TRAINING_DIVERGED" and event.scope == "always":
            return False
        if event.role in ("confirmation", "cascade") and event.raised is None and event.code != "DISTRIBUTED_COMM_ERROR":
            return False
        after = _last_line(event)
        if event.rank is None and self._aftermath > after and self.distributed:
            return False
        return self._went_on(event, after)

    def _went_on(self, event: Event, after: int) -> bool:
        """Whether the event's rank made progress after a line. What is known of the lines further down is not read again."""
        start, known = self._known.get(event.rank, (len(self.log.lines), False))
        if after + 1 < start:
            between = self.progress(after + 1, start)
            own = (index for index in between if self.log.lines[index].rank == event.rank)
            known = any(self._works(event, index) for index in own) or known
            self._known[event.rank] = (after + 1, known)
        return known

    def _works(self, event: Event, index: int) -> bool:
        """Whether a line is new progress: a bar that is drawn again when it is closed is none."""
        bars = _BAR.findall(self.log.lines[index].text)
        if not bars:
            return True
        first = event.raised.start if event.raised else event.index
        before = self.log.lines[max(0, first - BARS_BEFORE) : first + 1]
        drawn = {bar for line in before for bar in _BAR.findall(line.text)}
        return bars[-1] not in drawn and (bool(drawn) or bars[-1][0] != "0")

    @property
    def distributed(self) -> bool:
        """Whether several processes wrote it."""
        return _DISTRIBUTED.search(self.log.buffer) is not None

    def _terminal(self, rank: str | None) -> Raised | None:
        """The traceback that ended a rank."""
        own = [event.raised for event in self.events if event.raised is not None and event.rank == rank]
        plain = [block for block in own if block is not None and block.role != "thread"]
        return max(plain or [block for block in own if block is not None], key=lambda block: block.end, default=None)

    def _chain_events(self, block: Raised) -> list[Event]:
        return [event for event in self.events if event.raised is not None and event.raised.chain is block.chain]

    def _outlived(self, event: Event) -> bool:
        """Whether a traceback that tells enough ended the process after an event that is no part of it."""
        block = self._terminal(event.rank)
        if block is None or (event.raised is not None and event.raised.chain is block.chain):
            return False
        own = best(other for other in self._chain_events(block) if other.role == "root")
        if own is None or own.priority == VAGUE_PRIORITY or event.index > block.end:
            return False
        return block.kind in PURE or event.tier < PHYSICAL

    @cached_property
    def root(self) -> Event | None:
        """The cause, if the log tells it."""
        roots = [event for event in self.events if event.role == "root" and not self._outlived(event)]
        if self.elastic is not None:
            first = [event for event in roots if event.rank == self.elastic[0]]
            roots = first or roots
        found = best(roots)
        if found is not None and found.entity is None and found.raised is not None:
            named = (event.entity for event in self._chain_events(found.raised) if event.code == found.code and event.entity)
            found.entity = next(named, None) or self._file_before(found)
        return found

    def _file_before(self, event: Event) -> str | None:
        start = event.raised.start if event.raised else event.index
        return file_before(event.code, [line.text for line in self.log.lines[max(0, start - LINES_BEFORE) : start]])

    def role(self, name: str) -> Event | None:
        """The most telling event of a role; of torchrun's dead ranks the one that it names as the first."""
        return best(event for event in self.events if event.role == name)

    @property
    def connection_lost(self) -> Event | None:
        """Where a process tells that it lost the others."""
        return best(event for event in self.events if event.role == "cascade" and event.code == "DISTRIBUTED_COMM_ERROR")

    @cached_property
    def diverged(self) -> int | None:
        """Index of the line from which the losses are not finite, or always zero."""
        return diverged_line(self.log)

    @property
    def failed_by_its_own_words(self) -> int | None:
        """Index of the last line that says that the training failed without saying why; None where work went on after it."""
        last = range(len(self.log.lines) - 1, max(-1, len(self.log.lines) - 41), -1)
        for index in last:
            text = self.log.lines[index].text
            if _FAILED.search(text) and tone_of(text) != "soft" and not _FAILED_IGNORED.search(text):
                return None if next(self.progress(index + 1), None) is not None else index
        return None

    @property
    def cut_short(self) -> Raised | None:
        """A traceback that the log's end cuts before it names its exception."""
        last = self.blocks[-1] if self.blocks else None
        return last if last is not None and not last.complete and last.role != "noise" else None


_FRAME_OR_WARNING = re.compile(r"^\s+File |^\w*Warning\b")
_FAILED_IGNORED = re.compile(r"\b0 (?:failed|FAILED)\b|max_retries|fail_fast|if (?:a|the) \w+ fail", re.IGNORECASE)


def read_log(text: str) -> Reading:
    """Reads a log; total."""
    return Reading(Log(text))
