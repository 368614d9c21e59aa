"""Licences: copyleft over networks stays in one folder, and what users are told of it is there."""

import ast
import importlib.metadata
import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ULTRALYTICS = ROOT / "trainers" / "ultralytics"
# Licences that ask for the source of what is linked with them; MPL-2.0 asks for its own files only.
_STRONG = re.compile(r"(?<!L)\bA?GPL|GNU (?:Affero )?General Public", re.IGNORECASE)
PERMISSIVE_NAMES = re.compile(
    r"MIT|BSD|Apache|ISC|PSF|MPL-2\.0|Mozilla Public License 2\.0|0BSD|CC0-1\.0|Unlicense|BlueOak|Zlib", re.IGNORECASE
)


def locked(name: str) -> list[str]:
    """Names of the packages that a lock file pins."""
    text = (ROOT / "requirements" / f"{name}.lock").read_text(encoding="utf-8")
    return re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==", text, re.MULTILINE)


def licence_of(package: str) -> str | None:
    """What an installed package says of its licence; None where it is not installed on this system."""
    try:
        told = importlib.metadata.metadata(package)
    except importlib.metadata.PackageNotFoundError:
        return None
    classifiers = [line for line in told.get_all("Classifier") or [] if line.startswith("License ::")]
    return told.get("License-Expression") or "; ".join(classifiers) or told.get("License") or ""


def imports(path: Path) -> set[str]:
    """The top-level names that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


def our_files() -> list[Path]:
    told = subprocess.run(["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / line for line in told.splitlines() if (ROOT / line).is_file()]


def test_only_one_folder_imports_ultralytics() -> None:
    users = {path.parent for path in our_files() if "ultralytics" in imports(path)}
    assert ULTRALYTICS in users
    allowed = (ULTRALYTICS, ROOT / "tests", ROOT / "benchmarks")
    assert [folder for folder in users if not any(folder.is_relative_to(place) for place in allowed)] == []


def test_backend_and_agent_install_neither_ultralytics_nor_torch() -> None:
    for name in ("backend", "dev", "sklearn"):
        assert not {"ultralytics", "torch", "torchvision"} & set(locked(name)), name
    assert "ultralytics" in locked("ultralytics")


@pytest.mark.parametrize("package", locked("backend"))
def test_a_library_of_the_backend_has_a_permissive_licence(package: str) -> None:
    licence = licence_of(package)
    if licence is None:
        pytest.skip(f"{package} is not for this system")
    assert PERMISSIVE_NAMES.search(licence), licence
    assert not _STRONG.search(licence), licence


def test_a_strong_copyleft_licence_would_be_noticed() -> None:
    names = ["AGPL-3.0", "GPL-3.0-only", "GNU General Public License v3", "LGPL-2.1", "MIT"]
    assert [name for name in names if _STRONG.search(name)] == names[:3]


def test_libraries_of_the_page_have_permissive_licences() -> None:
    lock = json.loads((ROOT / "frontend" / "package-lock.json").read_text(encoding="utf-8"))
    licences = {str(package["license"]) for name, package in lock["packages"].items() if name and "license" in package}
    assert licences
    assert [licence for licence in licences if not PERMISSIVE_NAMES.search(licence) or _STRONG.search(licence)] == []


def test_users_are_told_what_the_licences_mean() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = readme.split("## Licences")[1]
    for told in ("Apache-2.0", "AGPL-3.0", "trainers/ultralytics", "What that means for you", "CC BY 4.0"):
        assert told in section
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["license"] == "Apache-2.0"
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "CC BY 4.0" in (ROOT / "samples" / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("framework", sorted(path.parent.name for path in (ROOT / "trainers").glob("*/trainer.toml")))
def test_a_framework_says_its_licence(framework: str) -> None:
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "trainers" / framework).glob("*.py")]
    assert any(re.search(r'"license": "[\w.\-]+"', text) for text in texts)
