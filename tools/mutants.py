"""Mutation testing of the core: changes one thing at a time, and tells which changes no test notices.

    python -m tools.mutants circuit_breaker          every mutant of app/core/circuit_breaker.py
    python -m tools.mutants retry turns --every 4    every fourth, for a quick look

It works on a copy. A process loads the libraries once and forks for each mutant, so one costs about a second of CPU.
Texts, annotations and names are left alone: what they say is looked at by other tests.
"""

import argparse
import ast
import contextlib
import copy
import importlib
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SECONDS = 90
TESTS = {
    "circuit_breaker": ("circuit_breaker", "breakers", "probes", "guard", "retry"),
    "retry": ("retry", "probes", "circuit_breaker"),
    "turns": ("turns", "retry", "probes"),
    "window": ("window", "circuit_breaker", "budget"),
    "budget": ("budget", "retry"),
    "guard": ("guard", "circuit_breaker", "probes"),
    "responses": ("responses", "catch_all", "closing", "framework_errors"),
}
LIBRARIES = ("pytest", "pytest_asyncio", "hypothesis", "structlog", "prometheus_client", "httpx2", "tenacity", "fastapi")
SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.Pow: ast.Mult,
}
HEADS = (ast.Module, ast.ClassDef)
STATEMENTS = (ast.Expr, ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Raise)
PLUGIN = """
import pytest
from app.core import timing


@pytest.fixture(autouse=True)
def no_waiting():
    with timing.testing() as clock:
        yield clock
"""

Change = Callable[[ast.AST], None]


def _set(field: str, value: object) -> Change:
    return lambda node: setattr(node, field, value)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _of_node(node: ast.AST) -> Iterator[tuple[str, Change]]:
    """What can be changed about one node: a name for it, and how."""
    if isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPS:
        new = SWAPS[type(node.ops[0])]
        yield f"{type(node.ops[0]).__name__} to {new.__name__}", lambda found: found.ops.__setitem__(0, new())  # type: ignore[attr-defined]
    if isinstance(node, ast.BoolOp | ast.BinOp | ast.AugAssign) and type(node.op) in SWAPS:
        yield f"{type(node.op).__name__} swapped", _set("op", SWAPS[type(node.op)]())
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield "not dropped", _set("operand", ast.UnaryOp(ast.Not(), node.operand))
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        new_value = not node.value if isinstance(node.value, bool) else node.value + 1
        yield f"{node.value} to {new_value}", _set("value", new_value)
    if isinstance(node, ast.If | ast.IfExp):
        for always in (True, False):
            yield f"condition always {always}", _set("test", ast.Constant(always))
    if isinstance(node, ast.Return) and node.value is not None:
        yield "returns None", _set("value", ast.Constant(None))
    for field in ("body", "orelse", "finalbody"):
        block = getattr(node, field, None)
        for index, statement in enumerate(block if isinstance(block, list) else ()):
            if isinstance(statement, STATEMENTS) and not _is_text(statement) and not isinstance(node, HEADS):
                told = f"without {ast.unparse(statement)[:60]}"
                yield told, lambda found, field=field, index=index: getattr(found, field).__setitem__(index, ast.Pass())  # type: ignore[misc]


def mutants(source: str) -> Iterator[tuple[int, str, str]]:
    """Every changed form of a module: the line, what was changed, the new source."""
    tree = ast.parse(source)
    left_alone: set[int] = set()
    for node in ast.walk(tree):
        for field in ("annotation", "returns"):
            part = getattr(node, field, None)
            left_alone |= {id(inner) for inner in ast.walk(part)} if isinstance(part, ast.AST) else set()
    for number, node in enumerate(ast.walk(tree)):
        if id(node) in left_alone:
            continue
        for told, change in _of_node(node):
            twin = copy.deepcopy(tree)
            change(list(ast.walk(twin))[number])
            changed = ast.unparse(ast.fix_missing_locations(twin))
            if changed != ast.unparse(tree):
                yield getattr(node, "lineno", 0), told, changed


def passes(tests: list[str]) -> bool:
    """Whether the tests pass on the copy as it is now, in a process of their own."""
    pid = os.fork()
    if pid == 0:
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        signal.alarm(SECONDS)
        code = 1
        with contextlib.suppress(BaseException):
            import pytest

            options = ["--noconftest", "-p", "mutants_plugin", "-p", "no:cacheprovider", "-x", "-q", "-W", "ignore"]
            code = int(pytest.main([*options, *tests]))
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def survivors(module: str, every: int) -> Iterator[str]:
    """Mutants of a module that the tests do not notice, as lines to print; at last how many there were.

    Raises:
        AssertionError: the tests fail without a change, so they can tell nothing.
    """
    path = Path("backend/app/core") / f"{module}.py"
    source = path.read_text(encoding="utf-8")
    tests = [f"tests/core/test_{name}.py" for name in TESTS.get(module, (module,))]
    assert passes(tests), f"the tests of {module} fail as they are"
    tried = alive = 0
    for line, told, changed in list(mutants(source))[::every]:
        path.write_text(changed, encoding="utf-8")
        tried += 1
        if passes(tests):
            alive += 1
            yield f"{module}.py:{line}: {told}"
    path.write_text(source, encoding="utf-8")
    yield f"{module}: {tried} mutants, {alive} not noticed"


def main() -> int:
    """Prints what survives; the exit status tells nothing of it, as equivalent mutants always do."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="+", help="names of modules of app/core")
    parser.add_argument("--every", type=int, default=1, help="only every so-many-th mutant")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vtp-mutants-") as folder:
        for name in ("backend", "tests"):
            shutil.copytree(ROOT / name, Path(folder, name), ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", folder)
        Path(folder, "mutants_plugin.py").write_text(PLUGIN, encoding="utf-8")
        os.chdir(folder)
        sys.dont_write_bytecode = True
        sys.path[:0] = [folder, str(Path(folder, "backend"))]
        for library in LIBRARIES:
            importlib.import_module(library)
        for module in given.modules:
            for line in survivors(module, given.every):
                print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
