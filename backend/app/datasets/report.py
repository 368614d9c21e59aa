"""From problems to a verdict: may the data set be trained on, and if not, what would help. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from app.core.errors import Fix, PlatformError
from app.core.fixes import fixes_for
from app.datasets.layout import Layout
from app.datasets.problems import IMAGE_PROBLEMS, LABEL_PROBLEMS, TITLES, Problem, severity

FIRST_ITEMS = 100
MOST_EXCLUDED = 0.2
"""Leaving out more than this share of the images would train on another data set than the user thinks."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows from a report: the refusal, if any, and the images that training can do without (None: it cannot)."""

    code: str | None
    details: str
    excludable: tuple[str, ...] | None
    why_not: str | None
    needs_split: bool


def spoiled(problems: Sequence[Problem]) -> list[str]:
    """Images that an error makes useless, in order."""
    kinds = IMAGE_PROBLEMS | LABEL_PROBLEMS
    return sorted({problem.image for problem in problems if problem.image and problem.problem in kinds})


def sound_without(layout: Layout, bad: Sequence[str], classes_of: Mapping[str, frozenset[str]]) -> str | None:
    """Why training without the images `bad` would not be sound; None where it is.

    `classes_of` has the classes that each image shows: none of them may vanish from training, nor may a split.
    """
    gone = set(bad)
    rest = [item for item in layout.items if item.path not in gone]
    if len(gone) > MOST_EXCLUDED * len(layout.items):
        return f"{len(gone)} of {len(layout.items)} images are affected, more than {MOST_EXCLUDED:.0%}"
    if not any(item.split == "train" for item in rest):
        return "no training image would be left"
    if layout.split_known and not any(item.split == "val" for item in rest):
        return "no validation image would be left"
    had: set[str] = set()
    left: set[str] = set()
    for item in layout.items:
        if item.split == "train":
            shown = classes_of.get(item.path, frozenset())
            had |= shown
            left |= shown if item.path not in gone else frozenset()
    if had - left:
        return f"class `{min(had - left)}` would have no training image left"
    return None


def _told(counts: Mapping[str, int]) -> str:
    """The errors of a data set in words, the gravest first."""
    images = sum(counts[kind] for kind in IMAGE_PROBLEMS)
    labels = sum(counts[kind] for kind in LABEL_PROBLEMS)
    parts = []
    if images:
        parts.append(f"{images} image{'s' if images > 1 else ''} cannot be read")
    if labels:
        parts.append(f"{labels} label row{'s are' if labels > 1 else ' is'} wrong")
    if counts["no_images"]:
        parts.append("there are no training images")
    elif counts["no_labels"]:
        parts.append("no training image has labels")
    if counts["no_validation_split"]:
        parts.append("there are no validation images")
    return ", ".join(parts)


def judge(layout: Layout, problems: Sequence[Problem], classes_of: Mapping[str, frozenset[str]]) -> Verdict:
    """The verdict on a data set."""
    counts = Counter(problem.problem for problem in problems)
    errors = {kind for kind in counts if severity(kind) == "error"}
    if not errors:
        return Verdict(None, "", None, None, needs_split=False)
    needs_split = "no_validation_split" in errors and not errors & {"no_images", "no_labels"}
    code = "DATASET_BROKEN" if errors & IMAGE_PROBLEMS else "DATASET_INVALID_FORMAT"
    bad = spoiled(problems)
    if not bad or errors & {"no_images", "no_labels"}:
        return Verdict(code, _told(counts), None, None, needs_split)
    why_not = sound_without(layout, bad, classes_of)
    return Verdict(code, _told(counts), None if why_not else tuple(bad), why_not, needs_split)


def fixes_of(verdict: Verdict) -> list[Fix]:
    """What can be done about a refusal, as patches on a job's configuration."""
    excludable = len(verdict.excludable) if verdict.excludable else None
    return fixes_for("DATASET_BROKEN", {"excludable": excludable, "needs_split": verdict.needs_split})


def error_of(verdict: Verdict, layout_format: str, dataset_id: str) -> PlatformError | None:
    """The refusal as an error with its fixes; None where there is none."""
    if verdict.code is None:
        return None
    details: dict[str, Any] = {
        "details": verdict.details,
        "format": {"yolo": "YOLO", "imagefolder": "ImageFolder"}[layout_format],
        "dataset_id": dataset_id,
        "excludable": len(verdict.excludable) if verdict.excludable else None,
    }
    return PlatformError.from_code(verdict.code, details, fixes=fixes_of(verdict))


def full_list(problems: Sequence[Problem]) -> Iterator[bytes]:
    """Every problem as a line of JSON, in the report's order."""
    order = list(TITLES)
    for problem in sorted(problems, key=lambda problem: order.index(problem.problem)):
        row = {
            "problem": problem.problem,
            "severity": severity(problem.problem),
            "file": problem.file,
            "line": problem.line,
            "detail": problem.detail,
        }
        yield orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)


def grouped(problems: Sequence[Problem], thumbnails: Mapping[str, str]) -> list[dict[str, Any]]:
    """The problems as a report shows them: errors first, by kind, the first 100 items of each."""
    by_kind: dict[str, list[Problem]] = defaultdict(list)
    for problem in problems:
        by_kind[problem.problem].append(problem)
    order = list(TITLES)
    return [
        {
            "problem": kind,
            "severity": severity(kind),
            "title": TITLES[kind][1],
            "count": len(by_kind[kind]),
            "items": [
                {
                    "file": problem.file,
                    "line": problem.line,
                    "detail": problem.detail,
                    "thumbnail": thumbnails.get(problem.image or ""),
                }
                for problem in by_kind[kind][:FIRST_ITEMS]
            ],
        }
        for kind in sorted(by_kind, key=order.index)
    ]
