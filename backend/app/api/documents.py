"""Documents that anybody may read in the browser: a page for each code, their table, and the runbooks."""

import posixpath
import re
from html import escape
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from markdown_it import MarkdownIt

from app.core.error_messages import REGISTRY, ErrorRow
from app.core.errors import PlatformError

router = APIRouter(tags=["errors"], default_response_class=HTMLResponse)
DOCS = Path(__file__).parents[3] / "docs"
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "public, max-age=300",
}
STYLE = """
:root{color-scheme:light dark;--ink:#1a1d24;--paper:#fff;--soft:#f1f3f6;--line:#c9ced8;--link:#1d4ed8;--quiet:#4b5261}
@media(prefers-color-scheme:dark){:root{--ink:#e6e8ec;--paper:#14161b;--soft:#23262d;--line:#454b58;--link:#8ab4ff;--quiet:#a9b0bd}}
body{font:16px/1.6 system-ui,sans-serif;color:var(--ink);background:var(--paper);margin:0}
main{max-width:48rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem;line-height:1.25;overflow-wrap:anywhere}h2{font-size:1.2rem;margin-top:2rem}
a{color:var(--link)}nav,footer{color:var(--quiet);font-size:.9rem}
code{font:.9em ui-monospace,monospace;background:var(--soft);border-radius:4px;padding:.1em .3em;overflow-wrap:anywhere}
pre{background:var(--soft);border-radius:6px;padding:1em;overflow-x:auto}pre code{padding:0;overflow-wrap:normal}
.wide{overflow-x:auto}table{border-collapse:collapse}td,th{border:1px solid var(--line);padding:.3em .6em;text-align:left}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem;background:var(--soft);border-radius:6px;padding:1rem}
dt{color:var(--quiet)}dd{margin:0}
"""
_LINK = re.compile(r'href="([^":#]+)\.md"')
_NAME = re.compile(r"[A-Za-z][A-Za-z_-]*")


def _not_found(kind: str, name: str) -> PlatformError:
    return PlatformError.from_code("NOT_FOUND", {"resource_type": kind, "resource_id": name})


def _facts(row: ErrorRow) -> str:
    """What the registry says of a code."""
    told = {
        "type": row.type,
        "severity": row.severity,
        "whose": row.causer,
        "reaction": f"{row.reaction} (budget: {row.budget})" if row.budget else row.reaction,
        "HTTP status": row.http or "none: it ends trainings",
    }
    shown = "".join(f"<dt>{escape(name)}</dt><dd>{escape(str(value))}</dd>" for name, value in told.items())
    if row.runbook is not None:
        shown += f'<dt>runbook</dt><dd><a href="/runbooks/{row.runbook}">{escape(row.runbook)}</a></dd>'
    return f"<dl>{shown}</dl>"


def render(folder: str, name: str, facts: str = "") -> HTMLResponse:
    """A document as a page; `facts` stand below its title. Links to other documents become links to their pages.

    Raises:
        PlatformError: NOT_FOUND.
    """
    path = DOCS / folder / f"{name}.md"
    if not _NAME.fullmatch(name) or not path.is_file():
        raise _not_found("document", f"{folder}/{name}")
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(path.read_text(encoding="utf-8"))
    body = _LINK.sub(lambda match: f'href="/{posixpath.normpath(f"{folder}/{match[1]}")}"', body)
    body = body.replace("<table>", '<div class="wide" tabindex="0"><table>').replace("</table>", "</table></div>")
    body = body.replace("<pre>", '<pre tabindex="0">').replace("</h1>", f"</h1>{facts}", 1)
    title = re.search(r"<h1>(.*?)</h1>", body)
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{title[1] if title else escape(name)}</title><style>{STYLE}</style></head><body><main>"
        f'<nav><a href="/errors/index">All codes</a> · <a href="/">vtp</a></nav>{body}</main></body></html>'
    )
    return HTMLResponse(page, headers=HEADERS)


@router.get("/errors/{code}")
async def code_page(code: str) -> HTMLResponse:
    """What a code means, how to tell and what to do; ``index`` is the table of all codes."""
    if code == "index":
        return render("errors", code)
    row = REGISTRY.get(code)
    if row is None:
        raise _not_found("error code", code)
    return render("errors", code, _facts(row))


@router.get("/runbooks/{name}")
async def runbook(name: str) -> HTMLResponse:
    """What whoever is paged does."""
    return render("runbooks", name)
