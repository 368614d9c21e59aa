"""Measures the diagnosis on labelled failures: ``make corpus``; ``--write`` puts the figures into the documentation.

Rows lie in tests/diagnosis/examples (the project's own) and, where it is present, in a folder `shared/corpus` beside the
repository. A row is right where its code, or one that would be right too, is found.
"""

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.core.error_messages import REGISTRY
from app.diagnosis.diagnose import diagnose
from app.diagnosis.evidence import Diagnosis, Evidence
from app.diagnosis.last_words import CLEAR
from app.diagnosis.sentences import NO_CAUSE, Example, Learnt, examples, learn, meaning

ROOT = Path(__file__).resolve().parents[1]
OWN = ROOT / "tests" / "diagnosis" / "examples"
SHARED = ROOT.parent / "shared" / "corpus"
PAGE = ROOT / "docs" / "reference" / "diagnosis-quality.md"
BEGIN, END = "<!-- figures: {} -->", "<!-- end of figures: {} -->"
NONE, UNKNOWN = "NONE", "UNKNOWN_FAILURE"
TRIED_AGAIN = ("retry", "elsewhere", "repair")
BINS = (0.0, 0.5, 0.8, 0.9, 0.95, 1.01)
BARS = {
    "right code": ("least", 0.95),
    "right type": ("least", 0.98),
    "unknown where a cause exists": ("most", 0.02),
    "false alarms on healthy logs": ("most", 0.01),
    "false stops": ("most", 0.005),
}


def rows_of(folder: Path) -> list[dict[str, Any]]:
    """All labelled rows below a folder."""
    texts = (path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.jsonl")))
    return [json.loads(line) for text in texts for line in text.split("\n") if line.strip()]


def _type(code: str) -> str:
    return REGISTRY[code].type if code in REGISTRY else NONE


def _reaction(code: str) -> str:
    return REGISTRY[code].reaction if code in REGISTRY else "none"


@dataclass
class Report:
    """What came out over a set of rows."""

    total: int = 0
    healthy: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    expected: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    hits: Counter[str] = field(default_factory=Counter)
    confidences: list[tuple[float, bool]] = field(default_factory=list)
    confusions: list[tuple[str, str, str]] = field(default_factory=list)

    def add(self, row: dict[str, Any], verdict: Diagnosis) -> None:
        """Counts one row."""
        expect = row["expect"]
        allowed = {expect["code"], *(expect.get("also") or ())}
        right = verdict.code in allowed
        code = verdict.code if right else expect["code"]
        self.total += 1
        self.healthy += expect["code"] == NONE
        self.expected[code] += 1
        self.found[verdict.code] += 1
        self.hits[code] += right
        self.confidences.append((verdict.confidence, right))
        self.counts["right code"] += right
        self.counts["right type"] += _type(verdict.code) in {_type(allowed_code) for allowed_code in allowed}
        if not right:
            self.confusions.append((str(row.get("id")), expect["code"], verdict.code))
            self._wrong(allowed, expect["code"], verdict.code)
        self._entity(expect.get("entity"), verdict.entity)

    def _wrong(self, allowed: set[str], expected: str, found: str) -> None:
        self.counts["unknown where a cause exists"] += found == UNKNOWN
        self.counts["false alarms on healthy logs"] += expected == NONE
        self.counts["missed failures"] += found == NONE
        again = {_reaction(code) in TRIED_AGAIN for code in allowed}
        if expected != NONE and found != NONE:
            self.counts["false stops"] += again == {True} and _reaction(found) not in TRIED_AGAIN
            self.counts["false retries"] += again == {False} and _reaction(found) in TRIED_AGAIN

    def _entity(self, expected: str | None, found: str | None) -> None:
        if expected:
            self.counts["entities"] += 1
            self.counts["right entity"] += bool(found) and (expected in str(found) or str(found) in expected)

    def share(self, name: str) -> float:
        """A figure from 0 to 1, of the rows that it is about."""
        of = {
            "right entity": self.counts["entities"],
            "false alarms on healthy logs": self.healthy,
            "right code": self.total,
            "right type": self.total,
        }.get(name, self.total - self.healthy)
        return self.counts[name] / of if of else 0.0

    def error(self) -> float:
        """How far confidence and truth are apart on average (expected calibration error)."""
        return sum(abs(sure - true) * count for sure, true, count in self.calibration()) / max(1, self.total)

    def calibration(self) -> Iterator[tuple[float, float, int]]:
        """For each bin of confidence: its mean, the share that was right, how many."""
        bins: dict[int, list[tuple[float, bool]]] = defaultdict(list)
        for sure, right in self.confidences:
            bins[sum(sure >= border for border in BINS)].append((sure, right))
        for _, members in sorted(bins.items()):
            yield sum(m[0] for m in members) / len(members), sum(m[1] for m in members) / len(members), len(members)


def measure(rows: Iterable[dict[str, Any]]) -> Report:
    """Diagnoses all rows and counts."""
    report = Report()
    for row in rows:
        report.add(row, diagnose(Evidence.from_dict(row["evidence"])))
    return report


def misses(report: Report) -> list[str]:
    """The bars that a report does not reach."""
    return [
        f"{name}: {report.share(name):.1%}"
        for name, (kind, bar) in BARS.items()
        if (report.share(name) < bar if kind == "least" else report.share(name) > bar)
    ]


def _cell(part: int, of: int) -> str:
    return f"{part / of:.0%}" if of else "–"


def markdown(report: Report) -> str:
    """The figures as the documentation shows them."""
    lines = [
        f"{report.total} rows, {report.healthy} of them healthy.",
        "",
        "| figure | measured | bar |",
        "| --- | --- | --- |",
    ]
    for name in (*BARS, "false retries", "missed failures", "right entity"):
        kind, bar = BARS.get(name, ("", 0.0))
        told = f"at {kind} {bar:.1%}" if kind else "–"
        lines.append(f"| {name} | {report.share(name):.1%} | {told} |")
    lines += ["", "| code | rows | precision | recall |", "| --- | --- | --- | --- |"]
    for code in sorted({*report.expected, *report.found}):
        hits, found, expected = report.hits[code], report.found[code], report.expected[code]
        lines.append(f"| {code} | {expected} | {_cell(hits, found)} | {_cell(hits, expected)} |")
    lines += ["", "| confidence | rows | right |", "| --- | --- | --- |"]
    lines += [f"| {sure:.2f} | {count} | {true:.2f} |" for sure, true, count in report.calibration()]
    lines += ["", f"Expected calibration error: {report.error():.3f}."]
    return "\n".join(lines) + "\n"


ORDINARY = "ordinary lines"
"""A style of its own: lines in which nobody says anything of a cause."""


@dataclass
class Style:
    """How sentences of one style fare that the others alone are learnt from: all, right, clear (far before other meanings),
    right of the clear ones, and those without a cause that one was clearly seen in."""

    name: str
    total: int = 0
    right: int = 0
    clear: int = 0
    clear_right: int = 0
    seen_in_none: int = 0

    def add(self, example: Example, known: Learnt) -> None:
        """Counts one sentence."""
        found = meaning(example.text, known)
        code, lead = (found.code, found.lead) if found is not None else (UNKNOWN, 0.0)
        right = code == example.code or {code, example.code} <= NO_CAUSE
        clear = lead >= CLEAR and code not in NO_CAUSE
        self.total += 1
        self.right += right
        self.clear += clear
        self.clear_right += clear and right
        self.seen_in_none += clear and example.code in NO_CAUSE


def styles() -> list[Style]:
    """Each style judged by what the others teach."""
    found = []
    for name in sorted({example.style for example in examples()} - {ORDINARY}):
        known, style = learn(example for example in examples() if example.style != name), Style(name)
        for example in examples():
            if example.style == name:
                style.add(example, known)
        found.append(style)
    return found


def sentences_markdown(found: list[Style]) -> str:
    """The figures of sentences as the documentation shows them."""
    counts = ("total", "right", "clear", "clear_right", "seen_in_none")
    lines = ["| style left out | sentences | right | clear | of them right |", "| --- | --- | --- | --- | --- |"]
    whole = Style("all", *(sum(getattr(style, name) for style in found) for name in counts))
    for style in (*found, whole):
        shares = (style.right / style.total, style.clear / style.total, style.clear_right / style.clear)
        lines.append(f"| {style.name} | {style.total} | " + " | ".join(f"{share:.1%}" for share in shares) + " |")
    lines += ["", f"A cause was clearly seen in {whole.seen_in_none} lines that have none."]
    return "\n".join(lines) + "\n"


def with_figures(page: str, name: str, figures: str) -> str:
    """The page with the figures between its marks renewed."""
    head, rest = page.split(BEGIN.format(name), 1)
    tail = rest.split(END.format(name), 1)[1]
    return f"{head}{BEGIN.format(name)}\n\n{figures}\n{END.format(name)}{tail}"


def main(arguments: list[str]) -> int:
    """Prints the figures of every set; 1 where a bar is missed."""
    page, missed = PAGE.read_text(encoding="utf-8"), 0
    for name, folder in (("own", OWN), ("shared", SHARED)):
        if not folder.is_dir():
            print(f"{name}: skipped, there is no {folder.name} folder beside the repository\n")
            continue
        report = measure(rows_of(folder))
        print(f"{name}\n\n{markdown(report)}")
        for row_id, expected, found in report.confusions:
            print(f"  {row_id}: {expected} taken for {found}")
        for miss in misses(report):
            print(f"  bar missed: {miss}")
        missed += bool(misses(report))
        page = with_figures(page, name, markdown(report))
    told = sentences_markdown(styles())
    print(f"sentences\n\n{told}")
    page = with_figures(page, "sentences", told)
    if "--write" in arguments:
        PAGE.write_text(page, encoding="utf-8")
    return min(1, missed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
