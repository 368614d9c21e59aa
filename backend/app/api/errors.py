"""The registry of codes as data, and a page for each code that anybody may read."""

from html import escape
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from markdown_it import MarkdownIt

from app.core.error_messages import REGISTRY
from app.core.errors import PlatformError

router = APIRouter(tags=["errors"])
PAGES = Path(__file__).parents[3] / "docs" / "errors"
STYLE = (
    "body{font:16px/1.6 system-ui,sans-serif;max-width:46rem;margin:3rem auto;padding:0 1rem;color:#1a1d24;background:#fff}"
    "code,pre{background:#f1f3f6;border-radius:4px;padding:.1em .3em}pre{padding:1em;overflow:auto}"
    "a{color:#1d4ed8}table{border-collapse:collapse}td,th{border:1px solid #d5d9e0;padding:.3em .6em;text-align:left}"
    "@media(prefers-color-scheme:dark){body{color:#e6e8ec;background:#14161b}code,pre{background:#23262d}a{color:#8ab4ff}}"
)


@router.get("/api/v1/errors")
async def list_codes() -> dict[str, Any]:
    """Every code with its type, severity, HTTP status, message and reaction."""
    return {"items": [row.to_dict() for row in REGISTRY.values()]}


@router.get("/errors/{code}", response_class=HTMLResponse)
async def code_page(code: str) -> HTMLResponse:
    """What a code means, how to tell and what to do.

    Raises:
        PlatformError: NOT_FOUND.
    """
    if code not in REGISTRY:
        raise PlatformError.from_code("NOT_FOUND", {"resource_type": "error code", "resource_id": code})
    text = (PAGES / f"{code}.md").read_text(encoding="utf-8")
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    page = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(code)}</title><style>{STYLE}</style><main>{body}</main></html>'
    headers = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
    return HTMLResponse(page, headers=headers)
