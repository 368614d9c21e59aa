"""The commands of `vtp`, put together, and the one place where their failures end."""

import os
import sys
import traceback
from typing import Annotated

import typer

from app.cli import datasets, explain, jobs, models, system, train
from app.cli.output import EXIT_BUG, Output, exit_code, shown

EPILOG = (
    "Exit codes: 0 done, 1 bug, 2 wrong usage, 3 failed for good, 4 failed for now (safe to repeat), "
    "5 permission or quota, 130 Ctrl-C."
)
cli = typer.Typer(
    name="vtp",
    help="Bring images, train a vision model, watch it live, get the weights; and know why when it fails.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
cli.add_typer(jobs.cli, name="jobs")
cli.add_typer(datasets.cli, name="datasets")
for command in (system.up, system.serve, train.train, models.models, explain.explain, explain.diagnose, system.status):
    cli.command()(command)


@cli.callback()
def options(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print results and errors as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print results only.")] = False,
    no_color: Annotated[bool, typer.Option("--no-color", help="As NO_COLOR=1.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """Options of all commands."""
    if no_color:
        os.environ["NO_COLOR"] = "1"
    context.obj = Output(as_json=as_json, quiet=quiet)
    context.meta["debug"] = debug


def run(arguments: list[str]) -> int:
    """Runs one command; its exit code. `--json` and `--quiet` may stand anywhere before ``--``."""
    from app.cli.client import ApiFailure
    from app.core.errors import PlatformError

    arguments = _options_first(arguments)
    output = Output(as_json="--json" in arguments)
    try:
        code = cli(arguments, standalone_mode=False, prog_name="vtp")
    except ApiFailure as failure:
        output.error(failure.error)
        return exit_code(failure.error)
    except PlatformError as error:
        body = shown(error)
        hint = "vtp up" if error.code == "SERVICE_UNAVAILABLE" else None
        output.error(body, hint)
        return exit_code(body)
    except (typer.Abort, KeyboardInterrupt):
        return 130
    except BrokenPipeError:
        # The reader (head, less) has seen enough.
        sys.stderr.close()
        return 0
    except Exception as error:
        usage = _usage_message(error)
        if usage is not None:
            sys.stderr.write(usage)
            return 2
        return _bug(output, error, "--debug" in arguments)
    return code if isinstance(code, int) else 0


def _options_first(arguments: list[str]) -> list[str]:
    """Moves the options of all commands in front of the command, where the parser wants them."""
    own, end = arguments, len(arguments)
    if "--" in arguments:
        end = arguments.index("--")
        own = arguments[:end]
    common = [word for word in own if word in ("--json", "--quiet", "-q", "--no-color", "--debug")]
    return common + [word for word in own if word not in common] + arguments[end:]


def _usage_message(error: Exception) -> str | None:
    """What a wrong use of a command is told; None for any other exception."""
    show = getattr(error, "format_message", None)
    if show is None:
        return None
    context = getattr(error, "ctx", None)
    help_hint = f"help: {context.command_path} --help\n" if context is not None else "help: vtp --help\n"
    return f"error: {show()}\n{help_hint}"


def _bug(output: Output, error: Exception, debug: bool) -> int:
    """A failure nobody foresaw: the traceback goes to a file, its name to the user."""
    from app.cli.client import home
    from app.core.errors import UnexpectedError

    text = "".join(traceback.format_exception(error))
    path = home() / "vtp-debug.log"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    except OSError as broken:
        sys.stderr.write(f"the debug log could not be written: {broken}\n")
    body = shown(UnexpectedError(error))
    output.error(body, f"see {path}")
    if debug:
        sys.stderr.write(text)
    return EXIT_BUG
