"""The commands of `vtp`, put together, and the one place where their failures end."""

import os
import sys
from typing import Annotated, Any

import typer

from app.cli import agents, datasets, errors, explain, jobs, models, system, train
from app.cli.client import close_connections
from app.cli.output import EXIT_BUG, EXIT_INTERRUPTED, EXIT_USAGE, EXIT_USER, RED, Output, exit_code, shown

EPILOG = (
    "Exit codes: 0 done, 1 bug, 2 wrong usage, 3 failed for good, 4 failed for now (safe to repeat), "
    "5 permission or quota, 130 Ctrl-C."
)
COMMON = ("--json", "--quiet", "-q", "--no-color", "--debug")
cli = typer.Typer(
    name="vtp",
    help="Bring images, train a vision model, watch it live, get the weights; and know why when it fails.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # help in plain text: at once, and fit for any terminal
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
cli.add_typer(jobs.cli, name="jobs")
cli.add_typer(datasets.cli, name="datasets")
cli.add_typer(models.cli, name="models")
cli.add_typer(agents.cli, name="agents")
cli.add_typer(errors.cli, name="errors")
for command in (system.up, system.serve, train.train, explain.explain, explain.diagnose, system.migrate, system.status):
    cli.command()(command)


def _version(wanted: bool) -> None:
    if wanted:
        import app

        sys.stdout.write(f"vtp {app.__version__}\n")
        raise typer.Exit


@cli.callback()
def options(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print results and errors as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print results only.")] = False,
    no_color: Annotated[bool, typer.Option("--no-color", help="As NO_COLOR=1.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    _show_version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Options of all commands; they may stand anywhere."""
    if no_color:
        os.environ["NO_COLOR"] = "1"
    output = context.ensure_object(Output)
    output.as_json, output.quiet, output.debug = as_json, quiet, debug


def run(arguments: list[str]) -> int:
    """Runs one command; its exit code. The common options may stand anywhere before ``--``."""
    arguments = _options_first(arguments)
    output = Output(arguments, as_json="--json" in arguments, debug="--debug" in arguments)
    if "--no-color" in arguments:
        os.environ["NO_COLOR"] = "1"
    try:
        code = cli(arguments, standalone_mode=False, prog_name="vtp", obj=output)
        sys.stdout.flush()
    except (typer.Abort, KeyboardInterrupt):
        output.note("stopped")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader (head, less) has seen enough; what is left in the buffer has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # noqa: BLE001 - the last place where a failure can be told
        return _failed(output, error)
    finally:
        close_connections()
    return code if isinstance(code, int) else 0


def _options_first(arguments: list[str]) -> list[str]:
    """Moves the options of all commands in front of the command, where the parser wants them."""
    own, end = arguments, len(arguments)
    if "--" in arguments:
        end = arguments.index("--")
        own = arguments[:end]
    common = [word for word in own if word in COMMON]
    return common + [word for word in own if word not in common] + arguments[end:]


def _failed(output: Output, error: Exception) -> int:
    """Tells a failure and gives its exit code."""
    from app.cli.client import ApiFailure
    from app.cli.local_errors import local_failure, report_bug
    from app.core.errors import PlatformError

    if isinstance(error, ApiFailure):
        return _refused(output, error.error)
    if isinstance(error, PlatformError):
        body = shown(error)
        output.error(body, "vtp up" if error.code == "SERVICE_UNAVAILABLE" else None)
        return exit_code(body)
    if hasattr(error, "format_message"):
        return _misused(output, error)
    if isinstance(error, OSError):
        output.error(local_failure(error))
        return EXIT_USER
    report_bug(output, error)
    return EXIT_BUG


def _refused(output: Output, error: dict[str, Any]) -> int:
    from app.cli.suggest import did_you_mean

    hint = None if output.as_json else did_you_mean(error)
    output.error({**error, "suggested_action": hint or error.get("suggested_action")})
    return exit_code(error)


def _misused(output: Output, error: Any) -> int:
    """A wrong use of a command."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "vtp"
    if type(error).__name__ == "NoArgsIsHelpError":
        sys.stdout.write(context.get_help() + "\n" if context is not None else "")
    elif output.as_json:
        from app.core.errors import FieldError, PlatformError

        fields = [FieldError("#", "usage", error.format_message())]
        output.error(shown(PlatformError.from_code("VALIDATION_FAILED", {"count": 1}, errors=fields)))
    else:
        sys.stderr.write(f"{output.styled('error:', RED)} {error.format_message()}\nhelp: {path} --help\n")
    return EXIT_USAGE
