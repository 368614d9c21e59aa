"""The command line: `vtp`. Libraries are imported where they are used, so that help and errors come at once."""

import sys


def main() -> None:
    """Entry point of ``vtp``; ends the process with an exit code that tells the class of a failure.

    0 done · 1 a bug · 2 wrong usage · 3 the user's or a permanent failure · 4 a transient one, safe to repeat ·
    5 permission or quota · 130 Ctrl-C.
    """
    try:
        from app.cli.app import run

        code = run(sys.argv[1:])
    except KeyboardInterrupt:
        # Ctrl-C while the command is still starting, or a second one while it tells of the first.
        code = 130
    sys.exit(code)
