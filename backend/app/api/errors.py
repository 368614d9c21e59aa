"""The registry of codes as data, a page for each code that anybody may read, and what went wrong under a trace id."""

from html import escape
from pathlib import Path as File
from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import HTMLResponse
from markdown_it import MarkdownIt

from app.api.answer import Answer, shown
from app.api.deps import PlatformDep, UserDep
from app.core.error_messages import REGISTRY, ErrorRow
from app.core.errors import PlatformError
from app.schemas.errors import Code, Codes, Occurrences

router = APIRouter(tags=["errors"])
PAGES = File(__file__).parents[3] / "docs" / "errors"
STYLE = (
    "body{font:16px/1.6 system-ui,sans-serif;max-width:46rem;margin:3rem auto;padding:0 1rem;color:#1a1d24;background:#fff}"
    "code,pre{background:#f1f3f6;border-radius:4px;padding:.1em .3em}pre{padding:1em;overflow:auto}"
    "a{color:#1d4ed8}table{border-collapse:collapse}td,th{border:1px solid #d5d9e0;padding:.3em .6em;text-align:left}"
    "@media(prefers-color-scheme:dark){body{color:#e6e8ec;background:#14161b}code,pre{background:#23262d}a{color:#8ab4ff}}"
)
PAGE = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
    "<style>{style}</style><main>{body}</main></html>"
)
TraceId = Annotated[str, Path(pattern="^[0-9a-f]{32}$", description="As the error body and Server-Timing name it")]


def _row(code: str) -> ErrorRow:
    """The registry's row.

    Raises:
        PlatformError: NOT_FOUND.
    """
    row = REGISTRY.get(code)
    if row is None:
        raise PlatformError.from_code("NOT_FOUND", {"resource_type": "error code", "resource_id": code})
    return row


@router.get("/api/v1/errors", responses=shown(Codes))
async def list_codes() -> Answer:
    """Every code with its type, severity, HTTP status, message and reaction."""
    return Answer({"items": [row.to_dict() for row in REGISTRY.values()]})


@router.get("/api/v1/errors/occurrences/{trace_id}", dependencies=[UserDep], responses=shown(Occurrences))
async def get_occurrences(trace_id: TraceId, platform: PlatformDep) -> Answer:
    """What was answered under a trace id, for the user and for support: the public form, status, method and route.

    The newest 10,000 error answers are kept; refusals for a missing token or too many requests are not.
    """
    return Answer({"trace_id": trace_id, "items": await platform.occurrences.find(trace_id)})


@router.get("/api/v1/errors/{code}", responses=shown(Code))
async def get_code(code: str) -> Answer:
    """One code, as data."""
    return Answer(_row(code).to_dict())


@router.get("/errors/{code}", response_class=HTMLResponse)
async def code_page(code: str) -> HTMLResponse:
    """What a code means, how to tell and what to do."""
    text = (PAGES / f"{_row(code).code}.md").read_text(encoding="utf-8")
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    headers = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
    return HTMLResponse(PAGE.format(title=escape(code), style=STYLE, body=body), headers=headers)
