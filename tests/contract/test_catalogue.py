"""The catalogue of codes is whole: each has everything that a code has to have, and there is no code beside it."""

import ast
import re
import tomllib
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
from httpx import AsyncClient

from app.api.deps import Platform
from app.config import Settings
from app.core.error_messages import REGISTRY, ErrorRow
from app.core.errors import PlatformError
from app.main import create_app
from tests.conftest import Clock, TrainerService
from tests.contract.shape import assert_public_error
from tests.contract.triggers import TRIGGERS, World
from tools import generate, pages
from trainers.harness import failure

ROOT = generate.ROOT
ROWS = list(REGISTRY.values())
NONE_CODE = "NONE"
by_code = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.code)


def page_of(code: str) -> str:
    return (pages.FOLDER / f"{code}.md").read_text(encoding="utf-8")


@by_code
def test_a_code_reads_like_one(row: ErrorRow) -> None:
    assert re.fullmatch(r"[A-Z][A-Z0-9_]{2,62}", row.code)
    assert row.type in ("transient", "permanent", "user_error", "system_error")
    assert row.severity in ("low", "medium", "high", "critical")
    assert row.causer in ("user", "data", "platform", "hardware", "dependency", "unknown")
    assert row.reaction in ("fail", "retry", "elsewhere", "repair", "none")
    assert row.budget in (None, "user", "platform", "preemption")
    assert (row.budget is None) == (row.reaction in ("fail", "none"))
    assert row.title
    assert not row.title.endswith(".")


@by_code
def test_what_was_promised_of_a_code_stays(row: ErrorRow) -> None:
    assert generate.locked()[row.code] == generate.lock_lines()[row.code]


def test_no_code_that_ever_was_is_gone() -> None:
    assert set(generate.locked()) == set(REGISTRY)
    assert len(REGISTRY) >= 49


@by_code
def test_a_code_has_a_page_with_all_its_parts(row: ErrorRow) -> None:
    text = page_of(row.code)
    assert text.startswith(f"# {row.code}: {row.title}\n")
    assert pages.headings(text) == list(pages.HEADINGS)
    assert 25 <= len(text.splitlines()) <= 95
    told_apart = text.split("## How to tell")[1].split("## Fixes")[0]
    others = set(re.findall(r"\]\(([A-Z_]+)\.md\)", told_apart))
    assert others, "a page tells its code apart from others"
    assert row.code not in others
    fixes = text.split("## Fixes")[1].split("## Example")[0]
    assert "What to do" in fixes
    assert "`" in fixes, "a page names exact commands or settings"


@by_code
def test_the_example_of_a_page_is_what_the_platform_says(row: ErrorRow) -> None:
    text = page_of(row.code)
    assert pages.refreshed(row.code, text) == text, "run `make generate`"
    languages = [block.language for block in pages.blocks(text)]
    assert ("json error" in languages) != ("json diagnosis" in languages)


@by_code
def test_a_page_applies_only_fixes_that_its_code_offers(row: ErrorRow) -> None:
    named = set(re.findall(r"--apply ([a-z][a-z0-9-]*)", page_of(row.code)))
    assert [name for name in named if not any(fnmatch(name, pattern) for pattern in row.fixes)] == []


def test_an_example_of_another_code_is_noticed() -> None:
    page = "```log\ntorch.cuda.OutOfMemoryError: CUDA out of memory.\n```\n\n```json diagnosis\n{}\n```\n"
    assert '"code": "CUDA_OOM"' in pages.refreshed("CUDA_OOM", page)
    with pytest.raises(pages.PageError, match="diagnosed as CUDA_OOM"):
        pages.refreshed("DISK_FULL", page)


async def test_every_page_is_served_and_leads_nowhere_astray(anonymous: AsyncClient) -> None:
    await follow(anonymous, [f"/errors/{code}" for code in ["index", *REGISTRY]])
    await follow(anonymous, [f"/runbooks/{name}" for name in sorted({row.runbook for row in ROWS if row.runbook})])


async def follow(client: AsyncClient, addresses: list[str]) -> None:
    """Each address is a page with its headings, and so is every address of our own that it links to."""
    linked: set[str] = set()
    for address in addresses:
        response = await client.get(address)
        assert response.status_code == 200, address
        assert response.headers["content-type"].startswith("text/html")
        if (code := address.removeprefix("/errors/")) in REGISTRY:
            assert [heading for heading in pages.HEADINGS if f"<h2>{heading}</h2>" not in response.text] == [], code
            assert f"<title>{code}: " in response.text
        linked.update(re.findall(r'href="(/(?:errors|runbooks)/[^"]+)"', response.text))
        assert not re.search(r'href="(?!/)[^"]*"', response.text), f"{address} has a relative link"
    assert [address for address in sorted(linked) if (await client.get(address)).status_code != 200] == []


@pytest.mark.parametrize("address", ["/errors/NO_SUCH_CODE", "/runbooks/none", "/errors/codes.lock"])
async def test_a_page_that_is_not_there_is_not_found(address: str, client: AsyncClient) -> None:
    response = await client.get(address)
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "NOT_FOUND"


def test_the_web_pages_types_name_every_code() -> None:
    text = (ROOT / "frontend" / "src" / "generated" / "errorCodes.ts").read_text(encoding="utf-8")
    assert re.findall(r"^  ([A-Z_]+): \{$", text, re.MULTILINE) == list(REGISTRY)


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    settings = Settings(home=tmp_path_factory.mktemp("home"), token="t", agent_secret="s")
    return create_app(settings).openapi()


@by_code
def test_the_interfaces_description_has_an_example_of_a_code(row: ErrorRow, described: dict[str, Any]) -> None:
    example = described["components"]["examples"][row.code]["value"]["error"]
    assert example["code"] == row.code
    assert_public_error(example)


def test_every_operation_refers_to_the_errors(described: dict[str, Any]) -> None:
    answers = [operation["responses"] for path in described["paths"].values() for operation in path.values()]
    assert answers
    assert all(answer["default"] == {"$ref": "#/components/responses/Error"} for answer in answers)


def paged(row: ErrorRow) -> bool:
    return row.causer in ("platform", "hardware", "dependency") and row.severity in ("high", "critical")


@by_code
def test_there_is_a_runbook_where_people_are_paged(row: ErrorRow) -> None:
    assert (row.runbook is not None) == paged(row)
    if row.runbook is None:
        return
    text = (ROOT / "docs" / "runbooks" / f"{row.runbook}.md").read_text(encoding="utf-8")
    assert f"../errors/{row.code}.md" in text
    assert pages.headings(text)[0] in ("First look", "First three commands")
    assert len(pages.headings(text)) >= 3


@pytest.fixture
async def world(
    client: AsyncClient,
    platform: Platform,
    mock_trainer_service: TrainerService,
    clock: Clock,
    settings: Settings,
    tmp_path: Path,
) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        yield World(client, platform, mock_trainer_service, clock, settings, tmp_path / "scenario", stack)


@by_code
async def test_something_really_produces_a_code(row: ErrorRow, world: World) -> None:
    assert await TRIGGERS[row.code](world) == row.code


def test_an_error_of_a_code_that_nobody_knows_keeps_it() -> None:
    error = PlatformError.from_code("GPU_ON_FIRE", {})
    assert (error.code, error.context["claimed_code"]) == ("UNKNOWN_FAILURE", "GPU_ON_FIRE")


def literal_codes(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Texts that are used as codes: first arguments of what makes errors, and comparisons with ``.code``."""
    makers = {"from_code", "TrainingError", "Finding", "Diagnosis", "fixes_for", "format_error_message", "stopped"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in makers and node.args and isinstance(node.args[0], ast.Constant):
                yield node.lineno, str(node.args[0].value)
        elif isinstance(node, ast.Compare) and getattr(node.left, "attr", "") == "code":
            for part in ast.walk(node):
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    yield node.lineno, part.value


def sources() -> list[Path]:
    found = [*(ROOT / "backend" / "app").rglob("*.py"), *(ROOT / "trainers").glob("*/*.py")]
    return [path for path in found if ".venv" not in path.parts]


@pytest.mark.parametrize("path", sources(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_code_uses_no_code_outside_the_registry(path: Path) -> None:
    used = list(literal_codes(ast.parse(path.read_text(encoding="utf-8"))))
    assert [(line, code) for line, code in used if code not in REGISTRY and code != NONE_CODE] == []


def test_tables_of_codes_hold_only_codes_of_the_registry() -> None:
    signatures = tomllib.loads((ROOT / "backend/app/diagnosis/signatures.toml").read_text(encoding="utf-8"))
    named = {entry["code"] for entry in signatures["signature"]} - {NONE_CODE}
    named |= set(failure.DECIDED.values()) | set(failure.EXIT_BY_CODE)
    assert named
    assert named <= set(REGISTRY)


def test_documents_link_to_no_code_outside_the_registry() -> None:
    for path in [*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")]:
        text = path.read_text(encoding="utf-8")
        linked = set(re.findall(r"\((?:\.\./|docs/)*errors/([A-Z_]+)(?:\.md)?\)|/errors/([A-Z][A-Z_]+)\b", text))
        codes = {first or second for first, second in linked} - {"TRACE_ID"}
        assert codes <= set(REGISTRY), f"{path.name}: {codes - set(REGISTRY)}"
        explained = set(re.findall(r"vtp explain ([A-Z_]{5,})", text))
        assert explained <= set(REGISTRY), path.name


def test_the_web_page_compares_with_no_code_outside_the_registry() -> None:
    for path in (ROOT / "frontend" / "src").rglob("*.ts*"):
        compared = set(re.findall(r"code\s*[!=]==\s*\"([A-Z_]+)\"", path.read_text(encoding="utf-8")))
        assert compared <= set(REGISTRY), path.name


def test_generated_files_are_up_to_date() -> None:
    assert [path.relative_to(ROOT).as_posix() for path in generate.outdated()] == []


def test_the_lock_only_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generate, "locked", lambda: {"OLD_CODE": "OLD_CODE permanent low user fail - -"})
    assert "OLD_CODE permanent low user fail - -" in generate.lock()
