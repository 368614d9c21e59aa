"""The documentation does what it says: its commands run, its options exist, its links lead somewhere, its code works."""

import json
import os
import re
import shlex
import signal
import subprocess
import textwrap
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer

from app.cli.app import cli
from app.cli.output import Output
from app.config import Settings
from app.core.errors import PlatformError
from app.core.fixes import fixes_for
from app.core.responses import public
from tools import pages, reference

ROOT = Path(__file__).resolve().parents[1]
SKLEARN = ROOT / "trainers" / "sklearn" / ".venv" / "bin" / "python"
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
# Too long for a test of the documentation; that there is such a target is all that is looked at here.
LONG = {"make demo", "make test", "make lint"}
# Runs already, as in the reader's first terminal.
RUNNING = "vtp up"
READY_SECONDS = 60.0
_FENCE = re.compile(r"^( *)```sh\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_ENDS_WITH = re.compile(r"\s+# ends with (\d+)$")
_JOB = re.compile(r"\bJ-(\d+)\b")
_INLINE = re.compile(r"`([^`]+)`")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
needs_sklearn = pytest.mark.skipif(not SKLEARN.exists(), reason="the scikit-learn trainer's environment is not set up")


@dataclass(frozen=True, slots=True)
class Command:
    """A line of a ``sh`` block, and the exit code that it says it ends with."""

    line: str
    code: int


def commands(text: str) -> list[Command]:
    """Every command of the ``sh`` blocks of a document, in order."""
    found = []
    for match in _FENCE.finditer(text):
        for line in textwrap.dedent(match[2]).replace("\\\n", " ").splitlines():
            if line.strip():
                told = _ENDS_WITH.search(line)
                found.append(Command(_ENDS_WITH.sub("", line).strip(), int(told[1]) if told else 0))
    return found


WITH_COMMANDS = [path for path in DOCUMENTS if commands(path.read_text(encoding="utf-8"))]


class Reader:
    """Someone who follows the documents on one platform. Job numbers of a document count from where it begins."""

    def __init__(self, home: Path, folder: Path) -> None:
        self.folder = folder
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("VTP_")}
        path = f"{ROOT / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
        self.environment = {**inherited, "PATH": path, "VTP_HOME": str(home), "NO_COLOR": "1"}
        (folder / "samples").symlink_to(ROOT / "samples")
        self.platform = subprocess.Popen(
            ["vtp", "--json", "up"], env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + READY_SECONDS
        while not any(model["framework"] == "sklearn" for model in self.told("vtp --json models") or ()):
            assert time.monotonic() < deadline, "the platform did not come up"
            assert self.platform.poll() is None, "the platform ended"

    def run(self, line: str) -> subprocess.CompletedProcess[str]:
        """Runs a line as a shell does."""
        return subprocess.run(
            ["bash", "-c", line],
            cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    def told(self, line: str) -> Any:
        """The JSON that a command prints; None where it fails."""
        done = self.run(line)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def follow(self, text: str) -> list[str]:
        """Runs every command of a document; what went otherwise than it says."""
        before = self.told("vtp --json jobs list")["total"]
        wrong = []
        for command in commands(text):
            if command.line in LONG or command.line == RUNNING:
                continue
            line = _JOB.sub(lambda match: f"J-{before + int(match[1])}", command.line)
            done = self.run(line)
            if done.returncode != command.code:
                wrong.append(f"`{line}` ended with {done.returncode}, not {command.code}\n{done.stdout}{done.stderr}")
        return wrong

    def leave(self) -> None:
        """Ends what is still open, then the platform: no training may go on by itself."""
        open_states = "--status queued --status starting --status running --status waiting"
        for job in self.told(f"vtp --json jobs list {open_states}")["items"]:
            self.run(f"vtp jobs cancel {job['job_id']}")
        deadline = time.monotonic() + READY_SECONDS
        while self.told("vtp --json status")["open_jobs"]:
            assert time.monotonic() < deadline, "a cancelled job did not end"
        self.platform.send_signal(signal.SIGINT)
        self.platform.wait(30)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    someone = Reader(tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("folder"))
    yield someone
    someone.leave()


@pytest.mark.e2e
@pytest.mark.slow
@needs_sklearn
@pytest.mark.timeout(180)
@pytest.mark.parametrize("path", WITH_COMMANDS, ids=lambda path: path.stem)
def test_every_command_of_a_document_ends_as_it_says(path: Path, reader: Reader) -> None:
    assert reader.follow(path.read_text(encoding="utf-8")) == []


def test_the_documents_people_begin_with_have_commands() -> None:
    names = {path.stem for path in WITH_COMMANDS}
    assert {"README", "first-training", "bring-your-data", "read-a-failure", "add-a-framework"} <= names


def test_commands_too_long_to_run_here_are_targets_of_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for command in LONG:
        assert re.search(rf"^{command.removeprefix('make ')}:.*\n\t", makefile, re.MULTILINE), command
    mentioned = {
        match
        for path in DOCUMENTS
        for snippet in snippets(path.read_text(encoding="utf-8"))
        for match in re.findall(r"^make ([a-z-]+)", snippet)
    }
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    assert mentioned <= targets


def snippets(text: str) -> Iterator[str]:
    """Everything in a document that may be a command: inline code and lines of blocks."""
    outside = re.sub(r"^ *```.*?^ *```$", "", text, flags=re.MULTILINE | re.DOTALL)
    for match in _INLINE.finditer(outside):
        yield " ".join(match[1].split())
    for block in re.findall(r"^ *```(?:sh|text)\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            yield line.strip().removeprefix("next: ")


def used_wrongly(words: list[str]) -> str | None:
    """What ``vtp`` does not know in a command; None where all is well."""
    command: Any = typer.main.get_command(cli)
    common = {name: option for option in command.params for name in option.opts}
    rest = iter(words)
    for word in rest:
        children = getattr(command, "commands", None)
        if word.startswith("-"):
            options = common | {name: option for option in command.params for name in option.opts}
            name, equals, _ = word.partition("=")
            if name not in options and name != "--help":
                return f"no option {word}"
            if name in options and not options[name].is_flag and not equals:
                next(rest, None)
        elif children is not None:
            if word not in children:
                return f"no command {word}"
            command = children[word]
    return None


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_commands_named_in_a_document_exist(path: Path) -> None:
    wrong = []
    for snippet in snippets(path.read_text(encoding="utf-8")):
        program, _, rest = snippet.partition(" ")
        if program not in ("vtp", "vtp-agent") or "…" in snippet or "NAME" in snippet:
            continue
        words = shlex.split(re.split(r" [|>&] | #", rest)[0])
        problem = used_wrongly(words) if program == "vtp" else unknown_to_the_agent(words)
        if problem:
            wrong.append(f"`{snippet}`: {problem}")
    assert wrong == []


def unknown_to_the_agent(words: list[str]) -> str | None:
    known = reference.config()
    return next((f"no option {word}" for word in words if word.startswith("--") and f"`{word}`" not in known), None)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["jobs", "retry", "J-1", "--apply", "x"], None),
        (["--json", "jobs", "show", "J-1"], None),
        (["jobs", "show", "--json", "J-1"], None),
        (["job", "list"], "no command job"),
        (["train", "--batch", "8"], "no option --batch"),
    ],
)
def test_a_command_that_does_not_exist_is_noticed(words: list[str], problem: str | None) -> None:
    assert used_wrongly(words) == problem


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_of_a_document_lead_somewhere(path: Path) -> None:
    text = re.sub(r"^ *```.*?^ *```$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    targets = [link.split("#")[0] for link in _LINK.findall(text) if "://" not in link and not link.startswith("#")]
    assert [target for target in targets if not (path.parent / target).exists()] == []


def test_variables_named_in_documents_exist() -> None:
    sources = [path for top in ("backend", "trainers/agent") for path in (ROOT / top).rglob("*.py")]
    sources += (ROOT / "trainers").glob("*/*.py")
    known = {f"VTP_{name.upper()}" for name in Settings.model_fields}
    for source in sources:
        known |= set(re.findall(r"\bVTP_[A-Z_]+\b", source.read_text(encoding="utf-8")))
    for path in DOCUMENTS:
        named = set(re.findall(r"\bVTP_[A-Z]+(?:_[A-Z]+)*\b", path.read_text(encoding="utf-8")))
        assert named <= known, f"{path.name}: {named - known}"


def test_the_readmes_failure_looks_as_it_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    facts = {"batch_size": 32}
    error = PlatformError.from_code("CUDA_OOM", facts, fixes=fixes_for("CUDA_OOM", facts))
    Output().error(public(error, trace_id=pages.TRACE_ID), "vtp jobs retry J-12 --apply halve-batch")
    printed = capsys.readouterr().err
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"```text\n{printed}```" in readme


def test_settings_named_in_documents_exist_in_a_framework() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "trainers").glob("*/*.py"))
    for path in DOCUMENTS:
        named = set(re.findall(r"--set ([a-z][a-z_0-9]*)=", path.read_text(encoding="utf-8")))
        assert [name for name in named if f'"{name}"' not in sources] == [], path.name


@needs_sklearn
def test_the_trainer_of_the_how_to_describes_itself_and_trains(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "how-to" / "add-a-framework.md").read_text(encoding="utf-8")
    source = next(block.text for block in pages.blocks(text) if block.language == "python")
    folder, attempt, images = tmp_path / "trainer", tmp_path / "attempt", tmp_path / "data" / "train" / "a"
    for path in (folder, attempt / "work", images):
        path.mkdir(parents=True)
    (images / "1.png").write_bytes(b"")
    (folder / "train.py").write_text(source)
    config = {"model": "tiny", "epochs": 2, "batch_size": 1}
    dataset = {"task": "classify", "classes": ["a"], "format": "imagefolder"}
    (attempt / "spec.json").write_text(json.dumps({"job_id": "J-1", "attempt": 1, "config": config, "dataset": dataset}))
    environment = {
        "PYTHONPATH": str(ROOT),
        "PATH": os.environ["PATH"],
        "VTP_ATTEMPT_DIR": str(attempt),
        "VTP_DATASET_DIR": str(tmp_path / "data"),
    }
    command = [str(SKLEARN), str(folder / "train.py")]

    def run(*more: str) -> str:
        done = subprocess.run([*command, *more], env=environment, cwd=attempt, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert json.loads(run("--describe"))["models"][0]["name"] == "tiny"
    run()
    kinds = [json.loads(line)["kind"] for line in (attempt / "events.jsonl").read_text().splitlines()]
    assert kinds.count("epoch") == kinds.count("checkpoint") == 2
    assert kinds[-1] == "result"
