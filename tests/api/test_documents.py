"""Documents in the browser: complete pages, links that lead to pages, nothing that runs."""

import re

from httpx import AsyncClient


async def test_a_codes_page_shows_facts_text_and_example(anonymous: AsyncClient) -> None:
    response = await anonymous.get("/errors/DISK_FULL")
    assert "<title>DISK_FULL: Disk full</title>" in response.text
    assert "<dt>reaction</dt><dd>elsewhere (budget: platform)</dd>" in response.text
    assert '<dd><a href="/runbooks/disk-full">disk-full</a></dd>' in response.text
    assert response.text.index("<dl>") < response.text.index("<h2>Meaning</h2>")
    assert 'name="viewport"' in response.text


async def test_a_code_that_only_answers_requests_has_its_status_and_no_runbook(anonymous: AsyncClient) -> None:
    text = (await anonymous.get("/errors/INVALID_MODEL")).text
    assert "<dt>HTTP status</dt><dd>422</dd>" in text
    assert "/runbooks/" not in text


async def test_links_between_documents_become_links_between_pages(anonymous: AsyncClient) -> None:
    assert 'href="/errors/SHM_EXHAUSTED"' in (await anonymous.get("/errors/DISK_FULL")).text
    runbook = (await anonymous.get("/runbooks/disk-full")).text
    assert 'href="/errors/DISK_FULL"' in runbook
    index = (await anonymous.get("/errors/index")).text
    assert len(re.findall(r'href="/errors/[A-Z_]+"', index)) >= 49


async def test_a_page_runs_nothing_and_may_be_kept(anonymous: AsyncClient) -> None:
    response = await anonymous.get("/errors/CUDA_OOM")
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert response.headers["cache-control"] == "public, max-age=300"
    assert "<script" not in response.text


async def test_a_document_that_is_not_there_is_refused_in_the_one_form(anonymous: AsyncClient) -> None:
    for address in ("/errors/NO_SUCH_CODE", "/runbooks/none", "/runbooks/disk-full.md", "/errors/README"):
        response = await anonymous.get(address, headers={"Accept": "application/problem+json"})
        assert response.status_code == 404, address
        assert response.json()["error"]["code"] == "NOT_FOUND"
