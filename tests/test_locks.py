"""Lock files: every pin has a hash, nothing names where it came from, and they hold what the inputs ask for."""

import json
import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
LOCKS = sorted((ROOT / "requirements").glob("*.lock"))
_PIN = re.compile(r"^([A-Za-z0-9._\-]+)(\[[^\]]*\])?==([^\s;\\]+)")
_OPTION = re.compile(r"^\s*-(?:-index-url|-extra-index-url|-find-links|-trusted-host|i |f )", re.MULTILINE)


def entries(text: str) -> list[str]:
    """One string a requirement, its continued lines joined; comments left out."""
    joined = text.replace("\\\n", " ")
    return [line for line in joined.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def pinned(path: Path) -> dict[str, set[str]]:
    """Names with their versions; markers may make several."""
    found: dict[str, set[str]] = {}
    for entry in entries(path.read_text(encoding="utf-8")):
        match = _PIN.match(entry)
        assert match is not None, entry
        found.setdefault(canonicalize_name(match[1]), set()).add(match[3])
    return found


def wanted(path: Path) -> list[Requirement]:
    """Requirements of an input file, without those it takes from other files."""
    lines = [line.split(" #")[0].strip() for line in path.read_text(encoding="utf-8").splitlines()]
    return [Requirement(line) for line in lines if line and not line.startswith(("#", "-"))]


def test_every_environment_has_a_lock() -> None:
    inputs = {path.stem for path in (ROOT / "requirements").glob("*.in")}
    assert {path.stem for path in LOCKS} == inputs
    assert {"backend", "dev", "ultralytics", "sklearn"} <= inputs


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
def test_every_pin_has_a_hash(lock: Path) -> None:
    found = entries(lock.read_text(encoding="utf-8"))
    assert found
    assert [entry for entry in found if "--hash=sha256:" not in entry] == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
def test_no_lock_names_a_host(lock: Path) -> None:
    text = lock.read_text(encoding="utf-8")
    assert not _OPTION.search(text)
    assert re.findall(r"\w+://[^\s]+", text) == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
def test_a_lock_holds_what_its_input_asks_for(lock: Path) -> None:
    pins = pinned(lock)
    for requirement in wanted(lock.with_suffix(".in")):
        versions = pins.get(canonicalize_name(requirement.name), set())
        if requirement.marker is None:
            assert versions, requirement
        assert all(requirement.specifier.contains(version, prereleases=True) for version in versions), requirement


def test_tests_run_on_the_backends_pins() -> None:
    backend, dev = pinned(ROOT / "requirements" / "backend.lock"), pinned(ROOT / "requirements" / "dev.lock")
    assert {name: dev.get(name) for name in backend} == backend


def test_the_pages_lock_names_no_host() -> None:
    lock = json.loads((ROOT / "frontend" / "package-lock.json").read_text(encoding="utf-8"))
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert len(packages) > 100
    assert [name for name, package in packages.items() if "resolved" in package] == []
    assert [name for name, package in packages.items() if "integrity" not in package] == []
    assert "omit-lockfile-registry-resolved=true" in (ROOT / "frontend" / ".npmrc").read_text(encoding="utf-8")
