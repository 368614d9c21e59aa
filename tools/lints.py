"""Rules of this code base that no general linter knows: ``python tools/lints.py``. Exceptions stand in `lints.toml`."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MODULE_LINES, FUNCTION_LINES, PAGE_LINES = 300, 40, 250
LISTED = tomllib.loads((ROOT / "tools" / "lints.toml").read_text(encoding="utf-8"))
TESTED_WITH: dict[str, str] = LISTED["tested_with"]
LONG_FUNCTIONS: dict[str, str] = LISTED["long_functions"]
TRY_IN_API: dict[str, str] = LISTED["try_in_api"]
BROAD: dict[str, str] = LISTED["broad"]
# In pieces, so that this file does not find itself.
FORBIDDEN = re.compile(
    "|".join(
        (
            r"registry\." + r"npmjs\.org",
            r"files\." + r"pythonhosted\.org",
            r"//(?:www\.)?pypi\." + r"org",
            r"https?://[^\s\"'/]*(?:nexus|artifactory|mirror)[^\s\"']*",
            r"(?<![\w.-])/" + r"(?:root|work)/[\w.-]+",
            r"(?<![\w.-])/home/" + r"(?!me\b|user\b|runner\b|alice\b)\w+/",
        )
    )
)
LOGS = ("tests/diagnosis/examples/",)
"""Logs of other people's machines, whose paths are theirs."""
BINARY = {".png", ".jpg", ".zip", ".ico", ".woff2", ".pt", ".npz"}


def tracked() -> list[Path]:
    """All files that git knows or would add, relative to the root."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [Path(line) for line in told.stdout.splitlines() if (ROOT / line).is_file()]


def is_source(path: Path) -> bool:
    """Whether the rules for product code hold for a Python file; tests have rules of their own."""
    return path.suffix == ".py" and path.parts[0] in ("backend", "trainers", "tools", "benchmarks")


def body_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its signature and docstring."""
    first = node.body[1] if ast.get_docstring(node) is not None and len(node.body) > 1 else node.body[0]
    return (node.end_lineno or 0) - first.lineno + 1


def _is_broad(handler: ast.ExceptHandler) -> bool:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(kind is None or (isinstance(kind, ast.Name) and kind.id in ("Exception", "BaseException")) for kind in kinds)


def source_problems(path: Path, text: str) -> Iterator[str]:
    """What is wrong with a Python file of the product."""
    name = path.as_posix()
    if text.count("\n") > MODULE_LINES:
        yield f"{name}: {text.count(chr(10))} lines, more than {MODULE_LINES}"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not name.startswith(tuple(LONG_FUNCTIONS)):
            if body_lines(node) > FUNCTION_LINES:
                yield f"{name}:{node.lineno}: `{node.name}` has {body_lines(node)} lines, more than {FUNCTION_LINES}"
        elif isinstance(node, ast.Try) and name.startswith("backend/app/api/") and name not in TRY_IN_API:
            yield f"{name}:{node.lineno}: an endpoint raises, it does not handle; core/responses.py answers"
        elif isinstance(node, ast.ExceptHandler) and _is_broad(node) and name not in BROAD:
            yield f"{name}:{node.lineno}: a handler this broad needs a reason in tools/lints.toml"


def page_problems(path: Path, text: str) -> Iterator[str]:
    """What is wrong with a file of the web page."""
    name = path.as_posix()
    if name.startswith("frontend/src/") and "/generated/" not in name and text.count("\n") > PAGE_LINES:
        yield f"{name}: {text.count(chr(10))} lines, more than {PAGE_LINES}"


def core_problems(files: set[str]) -> Iterator[str]:
    """Public modules of the core without a test file of their name."""
    for name in sorted(files):
        module = Path(name)
        if module.parent.as_posix() == "backend/app/core" and module.suffix == ".py" and not module.stem.startswith("_"):
            tested = TESTED_WITH.get(module.stem, module.stem)
            wanted = (f"tests/core/test_{tested}.py", f"tests/test_{tested}.py")
            if not files.intersection(wanted):
                yield f"{name}: no {wanted[0]}"


def text_problems(path: Path, text: str) -> Iterator[str]:
    """Names of package registries' hosts, and paths of a machine."""
    for number, line in enumerate(text.splitlines(), 1):
        found = FORBIDDEN.search(line)
        if found is not None:
            yield f"{path.as_posix()}:{number}: `{found[0]}` belongs to one machine or registry"


def exception_problems() -> Iterator[str]:
    """Exceptions to the rules that nothing needs any more."""
    for name in BROAD:
        tree = ast.parse((ROOT / name).read_text(encoding="utf-8")) if (ROOT / name).exists() else ast.Module([], [])
        if not any(isinstance(node, ast.ExceptHandler) and _is_broad(node) for node in ast.walk(tree)):
            yield f"tools/lints.toml: {name} has no broad handler, its exception can go"


def problems() -> Iterator[str]:
    """Everything that breaks a rule."""
    files = tracked()
    yield from core_problems({path.as_posix() for path in files})
    yield from exception_problems()
    for path in files:
        if path.suffix in BINARY:
            continue
        text = (ROOT / path).read_text(encoding="utf-8", errors="replace")
        if not path.as_posix().startswith(LOGS):
            yield from text_problems(path, text)
        if is_source(path):
            yield from source_problems(path, text)
        yield from page_problems(path, text)


def main() -> int:
    """Prints what is wrong; 1 where there is something."""
    found = list(problems())
    for problem in found:
        print(problem, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
