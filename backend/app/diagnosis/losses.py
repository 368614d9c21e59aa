"""Whether a training's losses say that it has diverged: not finite to the end, or exactly zero throughout."""

import math
import re
from collections.abc import Iterator, Sequence

from app.diagnosis.signatures import compiled
from app.diagnosis.text import Log

LOOKED_AT = 96 * 1024
"""Bytes of the log's end in which losses are looked for."""
LAST_BAD = 2
LEAST_ZEROS = 5
_LOSS = (
    r"(?:^|[^\w.])([\w/-]*[Ll](?:oss|OSS)(?:[_/]\w+)?"
    r"|r?mse|mae|nll|bce|kl|elbo|obj(?:ective)?|cost|recon\w*)['\"]?(?: ?[:=] ?| is | )[\[(]?(?:tensor\()?['\"]?"
    r"([-+]?(?:nan|NaN|inf(?:inity)?|Inf|\d+(?:\.\d*)?(?:[eE][-+]?\d+)?))(?:$|[^\w%/])"
)
_HEAD = r"^\s*Epoch\s+GPU_mem\s+([^\n]*)$"
_ROW = r"^[ \t]*\d+/\d+[ \t]+[\d.]+G[ \t]+([-+.\w \t]+):"
_OTHER = re.compile(rb"val|test|eval|best|scale", re.IGNORECASE)
_LOST_GRADIENT = re.compile(rb"[^\n]{0,40}grad_?norm\W{1,4}(?:nan|inf)\b", re.IGNORECASE)
"""A loss of zero beside a gradient that is none is the mean of what is not finite."""
_SUMMARY = b"train_runtime"
"""The mean over the whole training, which Transformers prints at its end."""


def _named(tail: bytes) -> Iterator[tuple[int, float]]:
    for found in compiled(_LOSS).finditer(tail):
        before = tail[tail.rfind(b"\n", 0, found.start(1)) + 1 : found.start(1)]
        if _OTHER.search(found[1]) or _SUMMARY in before:
            continue
        value = float(found[2])
        if value == 0 and b"oss" not in found[1].lower():
            continue
        lost = value == 0 and _LOST_GRADIENT.match(tail, found.end(2))
        yield found.start(1), math.nan if lost else value


def _columns(tail: bytes) -> Iterator[tuple[int, float]]:
    """Ultralytics' table: the losses stand between the memory and the number of instances."""
    head = compiled(_HEAD).search(tail)
    count = sum(b"loss" in name for name in head[1].split()) if head else 3
    for found in compiled(_ROW).finditer(tail):
        values = []
        for word in found[1].split()[:count]:
            try:
                values.append(float(word))
            except ValueError:
                values = []
                break
        if values:
            worst = next((value for value in values if not math.isfinite(value)), sum(map(abs, values)))
            yield found.start(), worst


def _zero_throughout(values: Sequence[float]) -> bool:
    return len(values) >= LEAST_ZEROS and not any(values)


def diverged_line(log: Log) -> int | None:
    """Index of the line in which the losses go wrong for good; None where they do not."""
    base = max(0, len(log.buffer) - LOOKED_AT)
    tail = log.buffer[base:]
    if not any(word in tail for word in (b"oss", b"GPU_mem", b"nan")):
        return None
    told = sorted((*_named(tail), *_columns(tail)))
    if not told:
        return None
    bad = 0
    for _, value in reversed(told):
        if math.isfinite(value):
            break
        bad += 1
    if bad >= min(LAST_BAD, len(told)):
        return log.at(base + told[-bad][0])
    return log.at(base + told[0][0]) if base == 0 and _zero_throughout([value for _, value in told]) else None
