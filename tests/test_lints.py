"""The project's own rules: that they hold, and that each of them can fail."""

import subprocess
import sys
from pathlib import Path

import pytest

from tools import lints

API = Path("backend/app/api/thing.py")
CORE = Path("backend/app/core/thing.py")


def test_no_rule_is_broken() -> None:
    assert list(lints.problems()) == []


def test_the_command_ends_with_0_where_no_rule_is_broken() -> None:
    done = subprocess.run([sys.executable, "tools/lints.py"], cwd=lints.ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_endpoint_that_handles_errors_itself_is_found() -> None:
    text = "try:\n    pass\nexcept ValueError:\n    pass\n"
    assert list(lints.source_problems(API, text)) == [
        f"{API}:1: an endpoint raises, it does not handle; core/responses.py answers"
    ]
    assert list(lints.source_problems(CORE, text)) == []


@pytest.mark.parametrize("caught", ["Exception", "BaseException", "(ValueError, Exception)", ""])
def test_a_broad_handler_without_a_listed_reason_is_found(caught: str) -> None:
    text = f"try:\n    pass\nexcept {caught}:\n    raise\n"
    assert [problem.split(": ")[0] for problem in lints.source_problems(CORE, text)] == [f"{CORE}:3"]
    assert list(lints.source_problems(Path("backend/app/core/retry.py"), text)) == []


def test_long_modules_and_functions_are_found() -> None:
    assert list(lints.source_problems(CORE, "x = 1\n" * 300)) == []
    assert list(lints.source_problems(CORE, "x = 1\n" * 301)) == [f"{CORE}: 301 lines, more than 300"]
    short = 'def f():\n    """Doc."""\n' + "    x = 1\n" * 40
    assert list(lints.source_problems(CORE, short)) == []
    assert list(lints.source_problems(CORE, short + "    x = 1\n")) == [f"{CORE}:1: `f` has 41 lines, more than 40"]


def test_long_files_of_the_page_are_found_unless_they_are_generated() -> None:
    text = "x\n" * 251
    assert list(lints.page_problems(Path("frontend/src/pages/A.tsx"), text)) == [
        "frontend/src/pages/A.tsx: 251 lines, more than 250"
    ]
    assert list(lints.page_problems(Path("frontend/src/generated/a.ts"), text)) == []


def test_a_core_module_without_tests_is_found() -> None:
    files = {"backend/app/core/new.py", "backend/app/core/errors.py", "tests/test_errors.py", "backend/app/core/__init__.py"}
    assert list(lints.core_problems(files)) == ["backend/app/core/new.py: no tests/core/test_new.py"]


@pytest.mark.parametrize(
    "text",
    [
        "https://registry." + "npmjs.org/react",
        "--index-url https://pypi." + "org/simple",
        "https://arti" + "factory.example.com/api/pypi/simple",
        "cd /" + "root/project",
        "/" + "home/anna/project",
    ],
)
def test_registries_and_machine_paths_are_found(text: str) -> None:
    assert len(list(lints.text_problems(Path("docs/a.md"), f"fine\n{text}\n"))) == 1


@pytest.mark.parametrize(
    "text", ["https://example.com/work/root", "a/work/b", "/srv/agent", "pip install x", "/home/user/x"]
)
def test_other_addresses_and_paths_are_left_alone(text: str) -> None:
    assert list(lints.text_problems(Path("docs/a.md"), text)) == []
