"""`vtp explain` and `vtp diagnose`: what a code means, why a log ends in failure. They need no platform."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from app.cli.output import Output

if TYPE_CHECKING:
    from app.diagnosis.evidence import Diagnosis

PAGES = Path(__file__).parents[3] / "docs" / "errors"
STDIN = "-"
SURE = 0.85
RETRIES = {
    "retry": "a retry can help",
    "elsewhere": "a retry on another machine can help",
    "repair": "a retry with a changed configuration can help",
}
_ID = re.compile(r'"id"\s*:\s*"([^"\\]*)"')


def explain(
    context: typer.Context,
    what: Annotated[str, typer.Argument(help="A code such as CUDA_OOM, a log file, or - for standard input.")] = STDIN,
    exit_code: Annotated[int | None, typer.Option("--exit-code", help="How the process ended, where it is known.")] = None,
) -> int:
    """Explain a code, or tell from a log why a training failed."""
    output: Output = context.obj
    from app.core.error_messages import REGISTRY

    if what.upper() in REGISTRY:
        _explain_code(output, what.upper())
        return 0
    if what == STDIN and sys.stdin.isatty():
        message = "give a code, a log file, or a log on standard input"
        raise typer.BadParameter(message)
    if what != STDIN and not Path(what).is_file():
        message = f"`{what}` is neither a code nor a file"
        raise typer.BadParameter(message)
    from app.diagnosis.diagnose import ENOUGH
    from app.diagnosis.whole import diagnose_log

    raw = sys.stdin.buffer.read() if what == STDIN else Path(what).read_bytes()
    found = diagnose_log(raw, exit_code)
    if output.as_json:
        output.data({**found.to_dict(), "line": found.line})
        return 0
    for line in told(found):
        output.text(line)
    if found.code == "NONE" and exit_code is None:
        failed = diagnose_log(raw, exit_code=1)
        if failed.confidence >= ENOUGH and failed.code != "NONE":
            output.text("If it failed all the same, its last words mean:")
            for line in told(failed):
                output.text(line)
    return 0


def _explain_code(output: Output, code: str) -> None:
    from app.core.error_messages import REGISTRY

    row, page = REGISTRY[code], PAGES / f"{code}.md"
    if output.as_json:
        output.data(row.to_dict())
    elif page.exists():
        output.text(page.read_text(encoding="utf-8").strip())
    else:
        output.text(f"{row.code}: {row.message}\n{row.action}")


def told(found: "Diagnosis") -> Iterator[str]:
    """A verdict for a person: what happened, why we think so, what to do, where to read on."""
    from app.core.error_messages import REGISTRY

    body = found.to_dict()
    if found.code == "NONE":
        yield "nothing failed: no line of this log says that the training failed"
        return
    row = REGISTRY[found.code]
    certainty = "" if found.confidence >= SURE else "probably "
    yield f"{certainty}{found.code}: {row.title}"
    yield f"what: {body['message']}"
    place = f"line {found.line}: " if found.line is not None else ""
    for number, line in enumerate(body["evidence"]):
        yield f"why:  {place if number == 0 else ''}{line}"
    if found.entity:
        yield f"about: {found.entity}"
    if body["suggested_action"]:
        yield f"do:   {body['suggested_action']}"
    yield from (f"fix:  {fix['label']} ({fix['applicability']})" for fix in body["fixes"])
    yield f"read: vtp explain {found.code}"
    retry = RETRIES.get(row.reaction, "a retry does not help")
    yield f"{found.confidence:.0%} sure, fault of: {row.causer}, {retry}"


def diagnose(
    context: typer.Context,
    file: Annotated[str, typer.Argument(help="Evidence, one JSON object a line; - reads standard input.")],
) -> int:
    """Read one evidence object a line, write one diagnosis a line, in order."""
    del context
    if file == STDIN:
        _answer(sys.stdin.buffer)
        return 0
    if not Path(file).is_file():
        message = f"`{file}` is not a file"
        raise typer.BadParameter(message)
    with Path(file).open("rb") as lines:
        _answer(lines)
    return 0


def _answer(lines: IO[bytes]) -> None:
    for number, line in enumerate(lines, 1):
        if line.strip():
            sys.stdout.write(json.dumps(verdict(line.decode("utf-8", "replace"), number)) + "\n")
            sys.stdout.flush()


def verdict(line: str, number: int) -> dict[str, Any]:
    """The diagnosis of one line of evidence; what is no JSON object is answered too, as a failure nothing is known of."""
    from dataclasses import replace

    from app.diagnosis.diagnose import diagnose as judge
    from app.diagnosis.evidence import Evidence

    try:
        raw = json.loads(line)
    except (ValueError, RecursionError) as error:
        named = _ID.search(line)
        raw, broken = {"id": named[1] if named else None}, f"line {number} is not JSON: {error}"
    else:
        broken = None if isinstance(raw, dict) else f"line {number} is not a JSON object"
    found = judge(Evidence.from_dict(raw), failed=broken is not None)
    return (found if broken is None else replace(found, evidence=(broken,), confidence=0.0)).to_dict()
