"""Failures on the user's own machine: files that cannot be read or written, and bugs of the command line."""

import os
import platform
import shlex
import traceback
from typing import Any

from app.cli.client import home
from app.cli.output import Output, shown


def local_failure(error: OSError) -> dict[str, Any]:
    """The public form of a failure with a file of the user's."""
    from app.core.classify import classify
    from app.core.errors import PlatformError

    code = classify(error).code
    body = shown(PlatformError.from_code(code if code != "SYSTEM_ERROR" else "STORAGE_ERROR", cause=error))
    where = f"`{os.fsdecode(error.filename)}`: " if error.filename else ""
    return {**body, "message": f"{where}{error.strerror or type(error).__name__}", "suggested_action": None, "fixes": []}


def report_bug(output: Output, error: Exception) -> None:
    """A failure nobody foresaw: a report ready to be sent goes to a file, its name to the user."""
    import app
    from app.core.errors import UnexpectedError
    from app.core.redact import redact_text

    body = shown(UnexpectedError(error))
    text = "".join(traceback.format_exception(error))
    path = home() / "vtp-debug.log"
    report = "\n".join(
        (
            f"vtp {app.__version__}, Python {platform.python_version()}, {platform.platform()}",
            f"command: vtp {shlex.join(output.arguments)}",
            f"trace: {body['trace_id']}",
            "",
            text,
        )
    )
    hint: str | None = f"see {path}, and send it with a bug report"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(redact_text(report))
    except OSError as broken:
        hint = None
        output.note(f"the debug log could not be written: {broken}")
    output.error(body, hint)
    if output.debug:
        output.note(text)
