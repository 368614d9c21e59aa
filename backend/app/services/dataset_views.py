"""Data sets as the API shows them, their names, and their problems as a table. Pure."""

import csv
import io
import re
import unicodedata
from collections.abc import AsyncIterator, Mapping
from typing import Any

import orjson

from app.core.errors import FieldError, Fix, PlatformError
from app.db.models import Dataset
from app.services.views import shown_error, stamp

PROBLEM_COLUMNS = ("problem", "severity", "file", "line", "detail")


def slug_of(name: str) -> str:
    """The id that a data set of this name gets.

    Raises:
        PlatformError: VALIDATION_FAILED for a name without a letter or digit.
    """
    if not any(letter.isalnum() for letter in name):
        wrong = FieldError("#/name", "name", "needs a letter or a digit")
        raise PlatformError.from_code("VALIDATION_FAILED", {"field": "name"}, errors=[wrong])
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:60].strip("-") or "dataset"


async def csv_of(lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Lines of JSON as CSV; a cell that a spreadsheet would take for a formula is quoted."""

    def row(cells: list[Any]) -> bytes:
        buffer = io.StringIO()
        csv.writer(buffer).writerow([f"'{cell}" if str(cell)[:1] in "=+-@\t\r" and cell else cell for cell in cells])
        return buffer.getvalue().encode()

    yield row(list(PROBLEM_COLUMNS))
    rest = b""
    async for chunk in lines:
        *whole, rest = (rest + chunk).split(b"\n")
        yield b"".join(row([problem[column] for column in PROBLEM_COLUMNS]) for problem in map(orjson.loads, whole))


def stored_as_error(stored: Mapping[str, Any]) -> PlatformError:
    """A stored refusal as an error again."""
    fixes = [Fix(**{**fix, "patch": tuple(fix["patch"])}) for fix in stored.get("fixes") or ()]
    return PlatformError.from_code(stored["code"], stored.get("params") or {}, fixes=fixes)


def dataset_view(row: Dataset) -> dict[str, Any]:
    """A data set as the API shows it."""
    return {
        "dataset_id": row.id,
        "name": row.name,
        "status": row.status,
        "task": row.task,
        "format": row.format,
        "classes": row.classes,
        "counts": {key: value for key, value in row.counts.items() if key != "upload"},
        "files": row.files,
        "bytes": row.bytes,
        "digest": row.digest,
        "problems": row.problems,
        "errors": row.errors,
        "warnings": row.warnings,
        "excludable": row.excludable,
        "error": shown_error(row.error),
        "created_at": stamp(row.created_at),
    }
