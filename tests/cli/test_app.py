"""How commands end: exit codes, what is told, and what is not."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.cli import client
from app.cli.app import run
from tests.cli.conftest import Vtp

CLI = [sys.executable, "-m", "app.cli"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["-h"], ["train", "--help"], ["jobs", "retry", "-h"], ["models", "--help"], ["--version"]],
)
def test_help_and_version_are_data_and_end_with_0(vtp: Vtp, arguments: list[str]) -> None:
    code, out, err = vtp(*arguments)
    assert code == 0
    assert out
    assert err == ""


def test_the_exit_codes_are_in_the_help(vtp: Vtp) -> None:
    text = " ".join(vtp("--help")[1].split())
    assert "0 done, 1 bug, 2 wrong usage, 3 failed for good, 4 failed for now (safe to repeat), 5 permission" in text
    assert "130 Ctrl-C" in text


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["jobz"], "Did you mean 'jobs'?"),
        (["datasets", "ad"], "Did you mean 'add'?"),
        (["train", "--modle", "x"], "No such option: --modle (Possible options: --model, --name)"),
        (["train"], "Missing option '--model'"),
        (["train", "--model", "m", "--dataset", "d", "--set", "x"], "is not name=value"),
        (["datasets", "add", "/no/such/file"], "does not exist"),
        (["jobs", "list", "--limit", "0"], "greater than or equal to 1"),
    ],
)
def test_wrong_usage_ends_with_2_and_where_help_is(
    vtp: Vtp, arguments: list[str], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VTP_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("VTP_TOKEN", "t")
    code, out, err = vtp(*arguments)
    assert code == 2
    assert out == ""
    assert told in err
    assert err.splitlines()[-1].startswith("help: vtp")
    assert "Traceback" not in err


def test_wrong_usage_is_an_error_object_with_json(vtp: Vtp) -> None:
    code, out, err = vtp("jobz", "--json")
    assert (code, out) == (2, "")
    error = json.loads(err)["error"]
    assert error["code"] == "VALIDATION_FAILED"
    assert "jobz" in error["errors"][0]["message"]


def test_a_command_group_alone_shows_its_commands(vtp: Vtp) -> None:
    code, out, _ = vtp("jobs")
    assert code == 2
    assert "retry" in out


def test_a_platform_that_does_not_run_ends_with_4_and_how_to_start_it(vtp: Vtp) -> None:
    code, out, err = vtp("status")
    assert (code, out) == (4, "")
    assert "next: vtp up" in err
    assert err.splitlines()[-1].startswith("code: SERVICE_UNAVAILABLE (vtp explain SERVICE_UNAVAILABLE), trace ")


def test_common_options_may_stand_anywhere(vtp: Vtp) -> None:
    for arguments in (["--json", "jobs", "list"], ["jobs", "--json", "list"], ["jobs", "list", "--json"]):
        code, _, err = vtp(*arguments)
        assert code == 4
        assert json.loads(err)["error"]["code"] == "SERVICE_UNAVAILABLE"


def test_after_two_dashes_an_option_is_an_argument(vtp: Vtp) -> None:
    code, _, err = vtp("jobs", "show", "--", "--json")
    assert code == 4
    assert err.startswith("error:")


def test_a_bug_ends_with_1_and_a_report_in_a_file_without_secrets(
    vtp: Vtp, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def broken(_: object) -> None:
        message = "api_key=hunter2secret went missing"
        raise RuntimeError(message)

    monkeypatch.setattr(client.Api, "__init__", broken)
    code, out, err = vtp("jobs", "list")
    assert (code, out) == (1, "")
    assert "Traceback" not in err
    assert "hunter2" not in err
    report = (tmp_path / "cli-home" / "vtp-debug.log").read_text()
    assert "RuntimeError" in report
    assert "command: vtp jobs list" in report
    assert "hunter2" not in report
    assert str(tmp_path / "cli-home" / "vtp-debug.log") in err
    assert "Traceback" in vtp("--debug", "jobs", "list")[2]


@pytest.mark.parametrize(
    ("failure", "name"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "/x/best.pt"), "FILE_PERMISSION_DENIED"),
        (OSError(errno.ENOSPC, "No space left on device", "/x/best.pt"), "DISK_FULL"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "/x/best.pt"), "NOT_FOUND"),
    ],
)
def test_a_failure_with_the_users_own_file_names_it(
    vtp: Vtp, monkeypatch: pytest.MonkeyPatch, failure: OSError, name: str
) -> None:
    def broken(_: object) -> None:
        raise failure

    monkeypatch.setattr(client.Api, "__init__", broken)
    ended, _, err = vtp("status")
    assert ended == 3
    assert f"`/x/best.pt`: {failure.strerror}" in err
    assert f"code: {name}" in err


def test_ctrl_c_ends_with_130(vtp: Vtp, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(client.Api, "__init__", broken)
    assert vtp("status")[0] == 130


def test_help_loads_no_heavy_library() -> None:
    """It comes within a tenth of a second because of that."""
    program = "import sys; from app.cli.app import run; code = run(['--help']); print(*sys.modules); sys.exit(code)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=ENVIRONMENT)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "typer" in loaded
    heavy = {"httpx2", "fastapi", "pydantic", "sqlalchemy", "rich", "asyncio", "websockets", "structlog", "uvicorn"}
    assert loaded & heavy == set()


def test_the_reader_may_leave_early() -> None:
    program = "from app.cli.output import Output\nfrom app.cli import app, jobs\nimport sys\n"
    program += "app.cli = lambda *_, **__: [Output().text('line') for _ in range(100_000)]\nsys.exit(app.run([]))\n"
    shell = f'{sys.executable} -c "$PROGRAM" | head -1; echo ${{PIPESTATUS[0]}}'
    done = subprocess.run(
        ["bash", "-c", shell], capture_output=True, text=True, check=True, env={**ENVIRONMENT, "PROGRAM": program}
    )
    assert done.stdout.split() == ["line", "0"]
    assert done.stderr == ""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_can_complete_commands(shell: str) -> None:
    words = {"_VTP_COMPLETE": f"complete_{shell}", "COMP_WORDS": "vtp data", "COMP_CWORD": "1"}
    words |= {"_TYPER_COMPLETE_ARGS": "vtp data", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    program = "import sys; from app.cli import main; sys.argv = ['vtp']; main()"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, env={**ENVIRONMENT, **words}
    )
    assert "datasets" in done.stdout


def test_colours_are_for_people_only(monkeypatch: pytest.MonkeyPatch) -> None:
    import pty

    def seen(*arguments: str, **environment: str) -> str:
        """What a terminal shows."""
        own, theirs = pty.openpty()
        base = {**ENVIRONMENT, "VTP_HOME": "/nonexistent", "TERM": "xterm"}
        base.pop("NO_COLOR", None)
        subprocess.run([*CLI, *arguments], stdout=theirs, stderr=theirs, check=False, env={**base, **environment})
        os.close(theirs)
        text = b""
        try:
            while chunk := os.read(own, 4096):
                text += chunk
        except OSError:
            os.close(own)  # the other side is gone: that was all
        return text.decode()

    assert "\x1b[" in seen("status")
    for text in (seen("status", NO_COLOR="1"), seen("status", TERM="dumb")):
        assert "SERVICE_UNAVAILABLE" in text
        assert "\x1b[" not in text


def test_run_gives_the_code_that_a_command_returns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.cli.app.cli", lambda *_, **__: 3)
    assert run([]) == 3
    monkeypatch.setattr("app.cli.app.cli", lambda *_, **__: None)
    assert run([]) == 0
