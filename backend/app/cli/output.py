"""What the command line prints: data to stdout, everything else to stderr, tables for people, JSON for programs."""

import json
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app.core.errors import PlatformError

EXIT_BUG, EXIT_USAGE, EXIT_USER, EXIT_TRANSIENT, EXIT_PERMISSION, EXIT_INTERRUPTED = 1, 2, 3, 4, 5, 130
PERMISSION = {"INVALID_TOKEN", "INSUFFICIENT_PERMISSIONS", "QUOTA_EXCEEDED"}
RED, BOLD, DIM, PLAIN = "\x1b[31;1m", "\x1b[1m", "\x1b[2m", "\x1b[0m"


class Output:
    """Where a command's results go; `as_json` prints them as they came. `arguments` are those of the command line."""

    def __init__(
        self, arguments: Sequence[str] = (), *, as_json: bool = False, quiet: bool = False, debug: bool = False
    ) -> None:
        self.arguments = list(arguments)
        self.as_json = as_json
        self.quiet = quiet
        self.debug = debug

    @property
    def fancy(self) -> bool:
        """Whether a person looks at a terminal that can move its cursor."""
        plain = self.as_json or self.quiet or os.environ.get("TERM") == "dumb"
        return not plain and sys.stderr.isatty()

    @property
    def coloured(self) -> bool:
        """Whether messages may have colours."""
        return self.fancy and not os.environ.get("NO_COLOR")

    def styled(self, text: str, style: str) -> str:
        """`text` in a style where colours are wanted."""
        return f"{style}{text}{PLAIN}" if self.coloured else text

    def data(self, value: Any) -> None:
        """A result for programs, one JSON document on stdout."""
        sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")

    def row(self, value: Any) -> None:
        """One of many results for programs, a line of JSON on stdout."""
        sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
        sys.stdout.flush()

    def text(self, line: str) -> None:
        """A result for people on stdout."""
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    def note(self, line: str) -> None:
        """Something beside the result, on stderr."""
        if not self.quiet and not self.as_json:
            sys.stderr.write(line + "\n")
            sys.stderr.flush()

    def table(self, head: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Columns on stdout, as wide as their contents; no decoration, so that other programs can cut them."""
        cells = [[str(cell) if cell not in (None, "") else "-" for cell in row] for row in rows]
        widths = [max(len(line[index]) for line in (list(head), *cells)) for index in range(len(head))]
        for line in (list(head), *cells):
            self.text("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())

    def result(self, value: Any, head: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """A list, as a table or as JSON."""
        if self.as_json:
            self.data(value)
        else:
            self.table(head, rows)

    def error(self, error: dict[str, Any], hint: str | None = None) -> None:
        """A failure on stderr: what, what to do, the exact next command, code and trace id last."""
        if self.as_json:
            sys.stderr.write(json.dumps({"error": error}, ensure_ascii=False) + "\n")
            return
        lines = [f"{self.styled('error:', RED)} {error['message']}"]
        lines += [f"  {item['pointer'].lstrip('#/') or 'body'}: {item['message']}" for item in error.get("errors") or ()]
        if error.get("suggested_action"):
            lines.append(f"help: {error['suggested_action']}")
        lines += [f"fix:  {fix['label']} ({fix['applicability']}, {fix['id']})" for fix in error.get("fixes") or ()]
        if hint:
            lines.append(f"next: {self.styled(hint, BOLD)}")
        trace = f", trace {error['trace_id']}" if error.get("trace_id") else ""
        lines.append(self.styled(f"code: {error['code']} (vtp explain {error['code']}){trace}", DIM))
        sys.stderr.write("\n".join(lines) + "\n")


def exit_code(error: dict[str, Any]) -> int:
    """The process's exit code for a public error: whose failure it was and whether repeating is safe."""
    if error["code"] in PERMISSION:
        return EXIT_PERMISSION
    if error.get("retryable") or error["type"] == "transient":
        return EXIT_TRANSIENT
    return EXIT_BUG if error["code"] == "SYSTEM_ERROR" else EXIT_USER


def shown(error: "PlatformError") -> dict[str, Any]:
    """A local error in the public form."""
    from app.core.responses import public

    return public(error)
