"""Rules of this code base that no general linter knows: ``python tools/lints.py``. Exceptions stand with their reason."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MODULE_LINES, FUNCTION_LINES, PAGE_LINES = 300, 40, 250
LONG_FUNCTIONS = {"backend/app/db/migrations/": "a migration is one list of statements"}
TRY_IN_API = {"backend/app/api/access_log.py": "notes the end of every request, however it ends"}
BROAD = {
    "backend/app/cli/app.py": "the one place where a command's failures end",
    "backend/app/clients/storage.py": "a failed upload is undone, whatever stopped it, and the exception raised again",
    "backend/app/core/base.py": "what a foreign object's own methods raise must not stop an error from travelling",
    "backend/app/core/catch_all.py": "the outermost layer answers what nobody else did",
    "backend/app/core/circuit_breaker.py": "every end of a call is counted and raised again",
    "backend/app/core/classify.py": "what a foreign exception's own attributes raise must not stop its classification",
    "backend/app/core/error_messages.py": "the text of an error must come out, whatever a value's own methods raise",
    "backend/app/core/foreign.py": "what a foreign exception's own attributes raise must not stop its reading",
    "backend/app/core/guard.py": "every end of a call is counted and raised again",
    "backend/app/core/metrics.py": "a collector that fails is counted, and metrics go on",
    "backend/app/core/retry.py": "whatever a call raises is judged, and raised again",
    "backend/app/datasets/validate.py": "decoders raise anything on damaged files; each means that they are damaged",
    "backend/app/db/guard.py": "the drivers' exceptions are translated here and nowhere else",
    "backend/app/db/session.py": "a transaction is undone, whatever stopped it, and the exception raised again",
    "backend/app/services/dataset_checks.py": "a check in the background ends in a recorded verdict, whatever it raises",
    "backend/app/websocket/training.py": "a watcher is told why it ends",
    "backend/app/workflows/local.py": "the loop that drives all jobs goes on when one of them fails; logged and counted",
    "trainers/agent/agent.py": "one attempt's failure must not end the agent; logged",
    "trainers/agent/outbox.py": "a write to the journal is undone, whatever stopped it, and the exception raised again",
    "trainers/harness/run.py": "the last place where anything can be known of a failure",
    "trainers/ultralytics/preflight.py": "the reader of a foreign format may raise anything; each means it is unreadable",
}
# In pieces, so that this file does not find itself.
FORBIDDEN = re.compile(
    "|".join(
        (
            r"registry\." + r"npmjs\.org",
            r"files\." + r"pythonhosted\.org",
            r"//(?:www\.)?pypi\." + r"org",
            r"https?://[^\s\"'/]*(?:nexus|artifactory|mirror)[^\s\"']*",
            r"(?<![\w.-])/" + r"(?:root|work)/[\w.-]+",
            r"(?<![\w.-])/home/" + r"(?!me\b|user\b|runner\b)\w+/",
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
            yield f"{name}:{node.lineno}: a handler this broad needs a reason in tools/lints.py"


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
            wanted = (f"tests/core/test_{module.stem}.py", f"tests/test_{module.stem}.py")
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
            yield f"tools/lints.py: {name} has no broad handler, its exception can go"


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
