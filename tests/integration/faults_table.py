"""The table of faults in ``docs/reference/faults.md``, told by the tests that cause them.

A test calls `record_fault` with what it saw. Without further ado that must be what the committed table says, so the table
cannot tell anything else than the tests do. With ``VTP_FAULTS=write`` (``make faults``) the row is written instead; its time
stays as it is unless it has changed by more than half, so that writing twice changes nothing.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.core.error_messages import REGISTRY

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "faults.md"
INTEGRATIONS = (
    "Training machine", "Backend, for training machines", "MLflow", "S3", "Temporal", "PostgreSQL", "Language model",
    "Error tracker", "Prometheus",
)  # fmt: skip
"""In this order; others follow by name."""
FAULTS = (
    "refused", "black hole", "reset in mid-answer", "slow", "wrong credentials", "full", "killed and restarted", "5xx",
    "429 with Retry-After", "garbage answer",
)  # fmt: skip
"""The faults that every integration is put through, in this order; others follow by name."""
NONE = "–"
CHANGED = 0.5
HEAD = """# Faults

Made by `make faults`: each row was told by the test that caused the fault, on the real server, and every run of the tests
compares it. Only language models are stood in for, by a server on loopback that speaks both wire formats. Causes are signals
to the server, a TCP proxy on loopback, or a wrong setting. The seconds are those that the user or the training lost by it;
where a test's clock skips back-off, the waiting between tries is not in them.
PostgreSQL speaks no HTTP: too many connections is its 429.
"""
Record = Callable[[str, str, str | None, str, str, float], None]


@dataclass(frozen=True, slots=True)
class Row:
    """A fault and what came of it; `code` is None where nothing failed, `seconds` is how long it took."""

    integration: str
    fault: str
    code: str | None
    user_saw: str
    platform_did: str
    seconds: str

    def facts(self) -> tuple[str | None, str, str]:
        """What must be the same in every run."""
        return self.code, self.user_saw, self.platform_did

    def line(self) -> str:
        """The row in Markdown."""
        code = f"[`{self.code}`](../errors/{self.code}.md)" if self.code else NONE
        return f"| {self.fault} | {code} | {self.user_saw} | {self.platform_did} | {self.seconds} |"


def _one_line(text: str) -> str:
    return " ".join(text.replace("|", "/").split())


def _rounded(seconds: float) -> str:
    return "< 0.1" if seconds < 0.1 else f"{seconds:.1f}" if seconds < 10 else f"{seconds:.0f}"


def _same_time(old: str, new: str) -> bool:
    """Whether a time is as before, but for what a busy machine makes of it."""
    if "<" in old or "<" in new:
        return old == new
    return abs(float(new) - float(old)) <= CHANGED * float(old)


def _rank(order: tuple[str, ...], name: str) -> tuple[int, str]:
    return (order.index(name) if name in order else len(order), name)


def parse(text: str) -> list[Row]:
    """The rows of the page."""
    rows, integration = [], ""
    for line in text.splitlines():
        if line.startswith("## "):
            integration = line[3:]
        elif line.startswith("| ") and not line.startswith("| Fault |"):
            fault, code, saw, did, seconds = (cell.strip() for cell in line.strip("|").split("|"))
            rows.append(Row(integration, fault, None if code == NONE else code.split("`")[1], saw, did, seconds))
    return rows


def render(rows: list[Row]) -> str:
    """The page with these rows, in an order that does not depend on that of the tests."""
    parts = [HEAD]
    for integration in sorted({row.integration for row in rows}, key=lambda name: _rank(INTEGRATIONS, name)):
        found = sorted((row for row in rows if row.integration == integration), key=lambda row: _rank(FAULTS, row.fault))
        parts += [f"\n## {integration}\n", "\n| Fault | Code | What the user saw | What the platform did | Seconds |\n"]
        parts += ["|---|---|---|---|---|\n", *(f"{row.line()}\n" for row in found)]
    return "".join(parts)


def merged(rows: list[Row], new: Row) -> list[Row]:
    """The rows with `new` among them; one of the same integration and fault goes."""
    key = (new.integration, new.fault)
    old = next((row for row in rows if (row.integration, row.fault) == key), None)
    if old is not None and old.facts() == new.facts() and _same_time(old.seconds, new.seconds):
        return rows
    return [*(row for row in rows if row is not old), new]


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Only one process of a test run writes at a time."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def record(
    integration: str, fault: str, code: str | None, user_saw: str, platform_did: str, seconds: float, page: Path = PAGE
) -> None:
    """Compares what a test saw with the table, or writes it there.

    Raises:
        AssertionError: the table tells something else, or nothing, of this fault; or there is no such code.
    """
    assert code is None or code in REGISTRY, f"no such code: {code}"
    new = Row(integration, fault, code, _one_line(user_saw), _one_line(platform_did), _rounded(seconds))
    if os.environ.get("VTP_FAULTS") == "write":
        with _alone(page.parent):
            rows = parse(page.read_text(encoding="utf-8")) if page.exists() else []
            page.write_text(render(merged(rows, new)), encoding="utf-8")
        return
    rows = parse(page.read_text(encoding="utf-8"))
    told = next((row for row in rows if (row.integration, row.fault) == (integration, fault)), None)
    how = "run this test with VTP_FAULTS=write in the environment, or `make faults`"
    assert told is not None, f"{page.name} has no row for {integration}, {fault}: {how}"
    assert told.facts() == new.facts(), f"{page.name} tells something else of {integration}, {fault}: {how}"
