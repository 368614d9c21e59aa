"""Starting a training: what counts as started, and what is told where it could not be."""

import json
from pathlib import Path
from typing import Any

import pytest

from trainers.agent import start
from trainers.agent.frameworks import Framework
from trainers.agent.process import AttemptProcess


def shim_that_leaves(folder: Path, **ended: Any) -> AttemptProcess:
    """An attempt whose shim is over by the time anybody looks, and left no more than how the training ended."""
    folder.mkdir(exist_ok=True)

    class Ended(AttemptProcess):
        def start(self, *_: Any) -> None:
            (folder / "exit.json").write_text(json.dumps(ended))

    return Ended(folder)


def framework(tmp_path: Path) -> Framework:
    return Framework("tiny", tmp_path, tmp_path / "python", {"available": True})


async def test_a_training_killed_before_it_said_who_it_is_was_started(tmp_path: Path) -> None:
    process = shim_that_leaves(tmp_path / "1", exit_code=None, signal=9)
    await start.launch(process, framework(tmp_path), {})
    assert process.ended()


async def test_a_training_that_could_not_become_one_is_told_with_what_was_printed(tmp_path: Path) -> None:
    process = shim_that_leaves(tmp_path / "1", exit_code=127, signal=None)
    (process.folder / "log.txt").write_text("the training could not be started: no such file\n")
    with pytest.raises(start.NotStarted, match="no such file") as caught:
        await start.launch(process, framework(tmp_path), {})
    assert caught.value.code == "SYSTEM_ERROR"
