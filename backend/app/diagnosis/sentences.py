"""What a sentence is about that somebody wrote himself: learnt from the labelled ones in ``sentences.jsonl`` by counting
their words and pairs of words (multinomial naive Bayes; Manning, Raghavan & Schütze 2008, chapter 13).

Code NONE stands for ordinary lines, UNKNOWN_FAILURE for those that say that something failed and not why.
"""

import functools
import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

EXAMPLES = Path(__file__).parent / "sentences.jsonl"
MOST_CHARACTERS = 500
SMOOTHING = 0.1
"""Count that each word has in advance for each code; of 0.03, 0.1 and 0.3 the best on styles of writing left out."""
MOST_STEMS = 16_384
NO_CAUSE = frozenset({"NONE", "UNKNOWN_FAILURE"})

_HUMPS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_SIZE = re.compile(r"(?<![\w.])\d+(?:[.,]\d+)* ?[kmgtp](?:i?b(?:ytes?)?)?(?!\w)|\b[\d.]+ ?bytes?\b")
_NAME = re.compile(r"(?:[a-z0-9]+://)?(?:[\w.~*-]*/)+[\w.*-]*|(?<![\w/])[\w-]+\.[a-z][a-z0-9]{1,11}\b(?!\()")
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*(?:e[-+]?\d+)?")
_PARTS = re.compile(r"[/._:-]+")
_WORD = re.compile(r"[a-z]+(?:'t)?|#\w*|%|!=|<=|>=|<|>")
_ENDINGS = ("ies", "ied", "ing", "ed", "es", "s", "ly")
_SAY_NOTHING = frozenset({"#n", "#n #n"})
_PLACES = frozenset(
    {
        *("dev", "shm", "s3", "gs", "https", "http", "mnt", "tmp", "scratch", "data", "dataset", "datasets"),
        *("ckpt", "checkpoints", "weights"),
    }
)
"""Parts of a path that say what lies there."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """The code that a sentence most likely means, and its `lead` over the next likely one: a difference of natural
    logarithms of likelihoods."""

    code: str
    lead: float


@dataclass(frozen=True, slots=True)
class Learnt:
    """What was learnt from examples: `base` is the logarithm of what an unseen word counts for each code, `counts`
    how many sentences of each code have a word, `gains` what a word adds that so many have."""

    codes: tuple[str, ...]
    base: tuple[float, ...]
    counts: dict[str, dict[int, int]]
    gains: tuple[float, ...]


def _name(found: re.Match[str]) -> str:
    """A path or file name by its kind, not by how it is called."""
    ending = found[0].rpartition("/")[2].rpartition(".")
    kept = " ".join(part for part in _PARTS.split(found[0]) if part in _PLACES)
    return f" {kept} #ext{ending[2]} " if ending[1] else f" {kept} #path "


@functools.lru_cache(maxsize=MOST_STEMS)
def _stem(word: str) -> str:
    """A word without its ending, roughly: equal words need equal stems, not right ones."""
    if word[0] == "#":
        return word
    ending = next((ending for ending in _ENDINGS if word.endswith(ending) and len(word) - len(ending) >= 3), "")
    word = word.removesuffix(ending)
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "sl":
        return word[:-1]
    return word.rstrip("e") if len(word) > 4 else word


def _plain(text: str) -> str:
    """One or many lines with what stands for something else replaced by its kind."""
    small = _SIZE.sub(" #size ", _HUMPS.sub(" ", text).lower())
    return _NUMBER.sub(" #n ", _NAME.sub(_name, small)).replace("_", " ")


def _features(plain: str) -> list[str]:
    """Words of a line and pairs of them, each once."""
    words = [_stem(word) for word in _WORD.findall(plain)]
    pairs = map(" ".join, pairwise(words))
    return [feature for feature in dict.fromkeys((*words, *pairs)) if feature not in _SAY_NOTHING]


@dataclass(frozen=True, slots=True)
class Example:
    """A labelled sentence; `style` says who writes so."""

    code: str
    style: str
    text: str


@functools.cache
def examples() -> tuple[Example, ...]:
    """The labelled sentences."""
    return tuple(Example(**json.loads(line)) for line in EXAMPLES.read_text(encoding="utf-8").splitlines())


def learn(rows: Iterable[Example]) -> Learnt:
    """What these sentences teach."""
    rows = tuple(rows)
    codes = tuple(sorted({row.code for row in rows}))
    numbers = {code: number for number, code in enumerate(codes)}
    seen: dict[str, dict[int, int]] = {}
    total = [0] * len(codes)
    # All lines at once: a pattern that is applied thousands of times costs more than one that runs through them.
    for row, plain in zip(rows, _plain("\n".join(row.text for row in rows)).split("\n"), strict=True):
        number, found = numbers[row.code], _features(plain)
        total[number] += len(found)
        for feature in found:
            counts = seen.setdefault(feature, {})
            counts[number] = counts.get(number, 0) + 1
    base = tuple(-math.log(total[number] + SMOOTHING * len(seen)) for number in range(len(codes)))
    gains = tuple(math.log1p(count / SMOOTHING) for count in range(len(rows) + 1))
    return Learnt(codes, base, seen, gains)


@functools.cache
def _learnt() -> Learnt:
    return learn(examples())


def meaning(text: str, learnt: Learnt | None = None) -> Meaning | None:
    """What a sentence most likely says; None where none of its words is known. Time linear in the first
    `MOST_CHARACTERS` characters."""
    known = learnt or _learnt()
    features = [feature for feature in _features(_plain(text[:MOST_CHARACTERS])) if feature in known.counts]
    if not features:
        return None
    scores = [base * len(features) for base in known.base]
    for feature in features:
        for number, count in known.counts[feature].items():
            scores[number] += known.gains[count]
    best, second = sorted(range(len(scores)), key=lambda number: -scores[number])[:2]
    return Meaning(known.codes[best], scores[best] - scores[second])
