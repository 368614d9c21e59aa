"""A span for every statement sent inside a request or what it set off. Not installed where none are exported."""

import re
from typing import Any

from sqlalchemy import Engine, event

from app.core.spans import span

_TABLE = re.compile(r"\b(?:from|into|update|join)\s+\"?([a-z_]+)", re.IGNORECASE)
LONGEST = 2_000
"""Characters of a statement that its span shows. Values are not in it: they are sent as parameters."""


def trace_statements(engine: Engine, system: str) -> None:
    """Makes a span of each statement of `engine`; `system` is sqlite or postgresql."""

    def begin(connection: Any, _cursor: Any, statement: str, _parameters: Any, _context: Any, _many: bool) -> None:
        operation = statement.split(None, 1)[0].upper() if statement.strip() else "SQL"
        table = _TABLE.search(statement)
        name = f"{operation} {table[1]}" if table else operation
        told = {"db_system_name": system, "db_operation_name": operation, "db_query_text": statement[:LONGEST]}
        under_way = span(name, "client", **told)
        under_way.__enter__()
        connection.info.setdefault("vtp_spans", []).append(under_way)

    def end(connection: Any, *_: Any) -> None:
        if connection.info.get("vtp_spans"):
            connection.info["vtp_spans"].pop().__exit__(None, None, None)

    def fail(context: Any) -> None:
        if context.connection is not None and context.connection.info.get("vtp_spans"):
            error = context.original_exception
            # It is raised by whoever sent the statement; here it only marks the span.
            under_way = context.connection.info["vtp_spans"].pop()
            under_way.__exit__(type(error), error, None)

    event.listen(engine, "before_cursor_execute", begin)
    event.listen(engine, "after_cursor_execute", end)
    event.listen(engine, "handle_error", fail)
