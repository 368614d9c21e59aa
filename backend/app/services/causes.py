"""The exceptions that led to an attempt's end, the root first: what is told of them to people."""

from collections.abc import Iterator, Mapping
from typing import Any

LONGEST = 400
MOST = 8


def causes(evidence: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The chain of exceptions of the process, or of each of several processes in the order in which they failed. Total."""
    found = list(_chain(evidence.get("exceptions"), None))
    ranks = evidence.get("ranks")
    if isinstance(ranks, list):
        known = [rank for rank in ranks if isinstance(rank, Mapping)]
        for rank in sorted(known, key=lambda rank: str(rank.get("at") or "~")):
            found += _chain(rank.get("exceptions"), rank.get("rank"))
    unique = {(cause["text"], cause["rank"]): cause for cause in reversed(found)}
    return list(reversed(unique.values()))[:MOST]


def _chain(exceptions: object, rank: object) -> Iterator[dict[str, Any]]:
    for item in exceptions if isinstance(exceptions, list) else ():
        if not isinstance(item, Mapping):
            continue
        message = str(item.get("message") or "").strip()
        text = f"{item.get('type')}: {message}" if message else str(item.get("type"))
        frames = item.get("frames")
        last = frames[-1] if isinstance(frames, list) and frames and isinstance(frames[-1], Mapping) else {}
        yield {
            "text": text[:LONGEST],
            "at": _place(last),
            "code_line": str(last["code"])[:LONGEST] if last.get("code") else None,
            "rank": rank if isinstance(rank, int) else None,
        }


def _place(frame: Mapping[str, Any]) -> str | None:
    """File, line and function; of the file's path only its end, for the rest says nothing about the training."""
    if not frame.get("file"):
        return None
    end = "/".join(str(frame["file"]).replace("\\", "/").split("/")[-3:])
    return f"{end}:{frame.get('line')} in {frame.get('function')}"
