"""Writes the files that are made from others: ``make generate``; ``--check`` only says which are out of date.

The web page's types and the documentation's tables come from the registry, the command line and the interface themselves, so
they cannot tell anything else than the code does.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from app.core.error_messages import REGISTRY
from app.schemas.failure import CONTRACTS
from tools import pages, reference
from tools.monitoring_page import metrics
from tools.page_types import page_types
from tools.policies_page import policies

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "docs" / "errors" / "codes.lock"
GENERATED = ROOT / "frontend" / "src" / "generated"
LOCK_HEAD = (
    "# Every code there ever was, with type, severity, causer, reaction, budget and HTTP status. Lines are only added.\n"
)


def typescript() -> str:
    """The codes as a TypeScript type."""
    lines = ["// Made by `make generate` from backend/app/core/codes.toml.", "", "export const errorCodes = {"]
    for row in REGISTRY.values():
        lines.append(f"  {row.code}: {{")
        shown = {
            "type": row.type,
            "severity": row.severity,
            "causer": row.causer,
            "reaction": row.reaction,
            "title": row.title,
            "retryable": row.retryable,
            "http": row.http,
            "message": row.message,
            "action": row.action,
        }
        lines += [f"    {name}: {json.dumps(value, ensure_ascii=False)}," for name, value in shown.items()]
        lines.append("  },")
    lines += ["} as const;", "", "export type ErrorCode = keyof typeof errorCodes;", ""]
    lines += [
        "export function isErrorCode(code: string): code is ErrorCode {",
        "  return Object.hasOwn(errorCodes, code);",
        "}",
        "",
    ]
    return "\n".join(lines)


def lock_lines() -> dict[str, str]:
    """A line of the lock for each code."""
    return {
        row.code: " ".join(
            str(part or "-") for part in (row.code, row.type, row.severity, row.causer, row.reaction, row.budget, row.http)
        )
        for row in REGISTRY.values()
    }


def locked() -> dict[str, str]:
    """The committed lines of the lock, by code."""
    text = LOCK.read_text(encoding="utf-8") if LOCK.exists() else ""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {line.split(" ", 1)[0]: line for line in lines}


def lock() -> str:
    """The lock with new codes added; what stands there already is left as it is."""
    lines = {**lock_lines(), **locked()}
    return LOCK_HEAD + "".join(f"{line}\n" for line in lines.values())


def files() -> Iterator[tuple[Path, str]]:
    """Every generated file with its contents."""
    yield GENERATED / "errorCodes.ts", typescript()
    yield GENERATED / "api.ts", page_types(reference.described())
    yield LOCK, lock()
    yield pages.FOLDER / "index.md", pages.index()
    for code in REGISTRY:
        page = pages.FOLDER / f"{code}.md"
        yield page, pages.refreshed(code, page.read_text(encoding="utf-8"))
    for name, model in CONTRACTS.items():
        schema = json.dumps(model.model_json_schema(), indent=2, ensure_ascii=False)
        yield ROOT / "docs" / "reference" / "schemas" / f"{name}.json", schema + "\n"
    yield ROOT / "docs" / "reference" / "policies.md", policies()
    yield ROOT / "docs" / "reference" / "metrics.md", metrics()
    for name, text in reference.tables():
        yield ROOT / "docs" / "reference" / f"{name}.md", text


def outdated() -> list[Path]:
    """Generated files whose contents are not what they would be now."""
    return [path for path, text in files() if not path.exists() or path.read_text(encoding="utf-8") != text]


def main() -> int:
    """Writes all files, or with ``--check`` names those that are out of date; the exit code."""
    if sys.argv[1:] == ["--check"]:
        old = outdated()
        for path in old:
            print(f"{path.relative_to(ROOT)} is out of date: run `make generate`", file=sys.stderr)
        return 1 if old else 0
    for path, text in files():
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
