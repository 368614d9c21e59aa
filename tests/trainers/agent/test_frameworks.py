"""Frameworks are folders; what they say of themselves is kept until they change."""

import os
import sys
from pathlib import Path

import pytest

from trainers.agent.frameworks import discover

OFFER = (
    "import json, sys\nopen({count!r}, 'a').write('x')\nprint('noise')\nprint(json.dumps({{'models': [1], 'tasks': []}}))\n"
)


@pytest.fixture
def trainers(tmp_path: Path) -> Path:
    return tmp_path / "trainers"


def add(trainers: Path, name: str, script: str, python: str = sys.executable) -> Path:
    folder = trainers / name
    folder.mkdir(parents=True)
    (folder / "trainer.toml").write_text(f'framework = "{name}"\npython = "{python}"\n')
    (folder / "train.py").write_text(script)
    return folder


def test_a_framework_describes_itself_once_until_it_changes(trainers: Path, tmp_path: Path) -> None:
    count = tmp_path / "count"
    script = OFFER.format(count=str(count))
    folder = add(trainers, "one", script)
    for _ in range(3):
        (found,) = discover(trainers, tmp_path / "cache")
        assert found.available
        assert found.descriptor["models"] == [1]
        assert found.command() == [sys.executable, str(folder / "train.py")]
    assert count.read_text() == "x"
    os.utime(folder / "train.py", (1, 1))
    discover(trainers, tmp_path / "cache")
    assert count.read_text() == "xx"


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("raise ImportError('no module named numpy')", "ImportError: no module named numpy"),
        ("import sys; sys.exit(4)", "exit 4"),
        ("print('not json')", "cannot describe itself"),
        ("pass", "cannot describe itself"),
    ],
)
def test_one_that_cannot_is_offered_as_unavailable_with_the_reason_and_asked_again(
    trainers: Path, tmp_path: Path, script: str, reason: str
) -> None:
    folder = add(trainers, "broken", script)
    (found,) = discover(trainers, tmp_path / "cache")
    assert not found.available
    assert reason in found.descriptor["reason"]
    (folder / "train.py").write_text("print('{}')")
    assert discover(trainers, tmp_path / "cache")[0].available


def test_one_without_its_environment_is_named_and_does_not_hide_the_others(trainers: Path, tmp_path: Path) -> None:
    add(trainers, "b", "print('{}')")
    add(trainers, "a", "print('{}')", python=".venv/bin/python")
    first, second = discover(trainers, tmp_path / "cache")
    assert (first.name, first.available) == ("a", False)
    assert ".venv/bin/python" in first.descriptor["reason"]
    assert second.available
