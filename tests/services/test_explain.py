"""Explanations: a model's words on redacted evidence, kept by kind of failure; the catalogue's text where there are none."""

from collections.abc import Iterator
from typing import Any

import pytest
from httpx import AsyncClient
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.deps import Platform
from app.clients.llm import LlmClient
from app.core.metrics import errors_total
from app.core.timing import TestTiming
from app.db.models import Attempt
from app.db.repositories import jobs
from app.services import explain as module
from app.services.explain import LONGEST, ExplanationService, plain, sendable
from app.services.llm_budget import LlmBudget
from tests.api.test_training import JOBS, running, submit, tell
from tests.clients.llm_server import LlmServer
from tests.conftest import Clock, TrainerService, job_in_state
from tests.core.secret_corpus import OTHERS, SEED, TOKENS, Maker

SECRETS = {
    "hunter2secret", "AKIAIOSFODNN7EXAMPLE", "sk-ant-" + "b" * 24, "hf_abcdefghijklmnopqrstuv", "ghp_" + "a" * 36,
    "MIIEowIBAAKCAQEA", "c2VjcmV0", "db-pass", "/home/alice/projects/secret", "alice", "SELECT", "customers",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1c2VyIn0.c2ln", "train_private.py",
}  # fmt: skip
LOG = """Epoch 3/10
password=hunter2secret api_key: hunter2secret token='hunter2secret' AWS_SECRET_ACCESS_KEY=hunter2secret
key AKIAIOSFODNN7EXAMPLE and sk-ant-{anthropic}, hf_abcdefghijklmnopqrstuv, ghp_{ghp}
-----BEGIN RSA PRIVATE KEY-----
MIIEowIBAAKCAQEA
c2VjcmV0
-----END RSA PRIVATE KEY-----
postgresql://bob:db-pass@db/prod Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1c2VyIn0.c2ln
SELECT * FROM customers WHERE id = 1
  File "/home/alice/projects/secret/train_private.py", line 7, in <module>
RuntimeError: /home/alice/projects/secret/x.png: CUDA out of memory. Tried to allocate 2.00 GiB
""".replace("{ghp}", "a" * 36).replace("{anthropic}", "b" * 24)


@pytest.fixture
def server() -> Iterator[LlmServer]:
    server = LlmServer()
    yield server
    server.close()


@pytest.fixture(params=["anthropic", "openai"])
def explained(request: pytest.FixtureRequest, platform: Platform, server: LlmServer) -> ExplanationService:
    """The running backend's explanations, by a model of either kind."""
    url = server.url if request.param == "anthropic" else f"{server.url}/v1"
    platform.explanations.llm = LlmClient(request.param, "key", base_url=url)
    return platform.explanations


async def failed(client: AsyncClient, service: TrainerService, **evidence: Any) -> str:
    """A job that failed for good."""
    job_id, headers = await running(client, service)
    told = {"exit_code": 1, "log": "ModuleNotFoundError: No module named 'cv3'\n", **evidence}
    await tell(client, job_id, headers, {"status": "failed", "attempt": 1, "seq": 2, "evidence": told})
    await job_in_state(client, job_id, "failed", "waiting")
    return job_id


async def with_evidence(platform: Platform, job_id: str, lines: list[str], kind: str | None = None) -> None:
    """Puts lines into the stored diagnosis, as if rules had named them; with `kind` it is another kind of failure."""

    async def tx(session: AsyncSession) -> None:
        row: Attempt = await jobs.get_attempt(session, job_id, 1)
        fingerprint = kind or (row.diagnosis or {}).get("fingerprint")
        row.diagnosis = {**(row.diagnosis or {}), "evidence": lines, "fingerprint": fingerprint}

    await platform.db.write(tx)


def counted() -> float:
    return sum(
        sample.value
        for metric in errors_total.collect()
        for sample in metric.samples
        if sample.name.endswith("_total") and sample.labels["component"] in ("explain", "llm")
    )


def over_budget() -> float:
    return module.explanations_total.labels(outcome="over budget")._value.get()


async def test_without_a_key_the_catalogues_text_stands(client: AsyncClient, mock_trainer_service: TrainerService) -> None:
    job_id = await failed(client, mock_trainer_service)
    answer = await client.get(f"{JOBS}/{job_id}/explanation")
    assert answer.status_code == 200
    found = answer.json()
    assert (found["source"], found["reason"], found["model"]) == ("catalogue", "off", None)
    job = (await client.get(f"{JOBS}/{job_id}")).json()
    assert found["code"] == job["error"]["code"] == "DEPENDENCY_ERROR"
    assert found["text"] == f"{job['error']['message']} {job['error']['suggested_action']}"
    assert any("cv3" in line for line in found["evidence"])


async def test_a_models_words_are_shown_beside_the_same_verdict(
    client: AsyncClient, mock_trainer_service: TrainerService, explained: ExplanationService, server: LlmServer
) -> None:
    job_id = await failed(client, mock_trainer_service)
    before = (await client.get(f"{JOBS}/{job_id}")).json()["error"]
    found = (await client.get(f"{JOBS}/{job_id}/explanation")).json()
    assert (found["source"], found["reason"]) == ("llm", None)
    assert found["text"] == server.words
    assert found["code"] == "DEPENDENCY_ERROR"
    assert (await client.get(f"{JOBS}/{job_id}")).json()["error"] == before
    assert "DEPENDENCY_ERROR" in str(server.asked[0])


async def test_one_kind_of_failure_is_asked_for_once_also_after_a_restart(
    client: AsyncClient, mock_trainer_service: TrainerService, explained: ExplanationService, platform: Platform,
    server: LlmServer,
) -> None:  # fmt: skip
    first, second = await failed(client, mock_trainer_service), await failed(client, mock_trainer_service)
    texts = [(await client.get(f"{JOBS}/{job_id}/explanation")).json()["text"] for job_id in (first, second, first)]
    assert texts == [server.words] * 3
    again = ExplanationService(platform.db, platform.storage, explained.llm, explained.budget)
    assert (await again.explanation(second))["text"] == server.words
    assert len(server.asked) == 1


async def test_a_look_at_what_is_there_asks_no_model(
    client: AsyncClient, mock_trainer_service: TrainerService, explained: ExplanationService, server: LlmServer
) -> None:
    job_id = await failed(client, mock_trainer_service)
    look = f"{JOBS}/{job_id}/explanation?ask=false"
    found = (await client.get(look)).json()
    assert (found["source"], found["reason"], found["model"], server.asked) == ("catalogue", "unasked", None, [])
    await client.get(f"{JOBS}/{job_id}/explanation")
    found = (await client.get(look)).json()
    assert (found["source"], found["reason"], found["text"], len(server.asked)) == ("llm", None, server.words, 1)


async def test_no_secret_of_the_evidence_leaves(
    client: AsyncClient, mock_trainer_service: TrainerService, explained: ExplanationService, platform: Platform,
    server: LlmServer,
) -> None:  # fmt: skip
    job_id = await failed(client, mock_trainer_service, log=LOG)
    await with_evidence(platform, job_id, LOG.splitlines())
    found = (await client.get(f"{JOBS}/{job_id}/explanation")).json()
    assert found["source"] == "llm"
    sent = str(server.asked)
    for place in (sent, str(found)):
        assert {secret for secret in SECRETS if secret in place} == set()
    assert "CUDA out of memory" in sent


async def test_no_secret_of_any_form_leaves(
    client: AsyncClient, mock_trainer_service: TrainerService, explained: ExplanationService, platform: Platform,
    server: LlmServer,
) -> None:  # fmt: skip
    job_id = await failed(client, mock_trainer_service)
    made = [form(Maker(SEED)) for form in (TOKENS | OTHERS).values()]
    print(f"seed {SEED}, {len(made)} forms")
    fitting = [(text, secrets) for text, secrets in made if len(text) < module.LONGEST_LINE]
    leaked = set()
    for first in range(0, len(fitting), module.MOST_LINES // 2):
        some = fitting[first : first + module.MOST_LINES // 2]
        await with_evidence(platform, job_id, [line for text, _ in some for line in text.splitlines()], f"kind-{first}")
        found = (await client.get(f"{JOBS}/{job_id}/explanation")).json()
        assert found["source"] == "llm"
        sent = str(server.asked[-1])
        leaked |= {secret for _, secrets in some for secret in secrets if secret in sent}
    assert leaked == set()
    assert len(server.asked) > len(fitting) // module.MOST_LINES


async def test_over_the_days_budget_the_catalogues_text_stands_and_it_is_said_and_counted(
    client: AsyncClient, mock_trainer_service: TrainerService, explained: ExplanationService, platform: Platform,
    server: LlmServer, clock: Clock,
) -> None:  # fmt: skip
    explained.budget.daily = 2
    jobs_ = [await failed(client, mock_trainer_service) for _ in range(2)]
    for index, job_id in enumerate(jobs_):
        await with_evidence(platform, job_id, ["x"], f"kind-{index}")
    server.fail = 1
    before = over_budget()
    assert (await client.get(f"{JOBS}/{jobs_[0]}/explanation")).json()["source"] == "llm"
    assert len(server.asked) == 2, "the try that failed was paid for, too"
    failures = counted()
    found = (await client.get(f"{JOBS}/{jobs_[1]}/explanation")).json()
    assert (found["source"], found["reason"], found["model"]) == ("catalogue", "budget", None)
    assert found["text"]
    assert (len(server.asked), over_budget(), counted()) == (2, before + 1, failures)
    assert explained.llm is not None
    assert explained.llm.breaker.failure_count == 0
    assert (await client.get(f"{JOBS}/{jobs_[0]}/explanation")).json()["source"] == "llm", "what is kept costs nothing"

    again = ExplanationService(platform.db, platform.storage, explained.llm, LlmBudget(platform.db, 2, clock))
    assert (await again.explanation(jobs_[1]))["reason"] == "budget", "a restart gives nothing back"
    clock.move(24 * 3600)
    assert (await client.get(f"{JOBS}/{jobs_[1]}/explanation")).json()["source"] == "llm"


@pytest.mark.parametrize("fault", ["down", "refuses"])
async def test_without_the_model_the_catalogues_text_stands_and_it_is_counted(
    client: AsyncClient, mock_trainer_service: TrainerService, explained: ExplanationService, server: LlmServer, fault: str
) -> None:
    job_id = await failed(client, mock_trainer_service)
    server.fail = 99
    if fault == "down":
        server.close()
    before = counted()
    answer = await client.get(f"{JOBS}/{job_id}/explanation")
    assert answer.status_code == 200
    assert (answer.json()["source"], answer.json()["reason"]) == ("catalogue", "unavailable")
    assert counted() == before + 1


async def test_a_slow_model_is_not_waited_for_and_its_words_are_there_the_next_time(
    client: AsyncClient, mock_trainer_service: TrainerService, explained: ExplanationService, server: LlmServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    job_id = await failed(client, mock_trainer_service)
    server.held = True
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.05)
    path = f"{JOBS}/{job_id}/explanation"
    assert [(await client.get(path)).json()["reason"] for _ in range(2)] == ["pending", "pending"]
    monkeypatch.setattr(module, "WAIT_SECONDS", 20)
    server.release.set()
    assert (await client.get(path)).json()["text"] == server.words
    assert len(server.asked) == 1  # those who asked meanwhile shared the one request


async def test_a_store_that_fails_costs_words_but_no_answer(
    client: AsyncClient, mock_trainer_service: TrainerService, explained: ExplanationService, platform: Platform,
    monkeypatch: pytest.MonkeyPatch, no_waiting: TestTiming,
) -> None:  # fmt: skip
    job_id = await failed(client, mock_trainer_service)
    (platform.settings.home / "storage").rename(platform.settings.home / "gone")
    (platform.settings.home / "storage").write_text("no folder")
    answer = await client.get(f"{JOBS}/{job_id}/explanation")
    assert answer.status_code == 200
    assert answer.json()["source"] == "catalogue"


async def test_a_job_that_has_not_failed_has_nothing_to_explain(client: AsyncClient) -> None:
    job_id = await submit(client)
    response = await client.get(f"{JOBS}/{job_id}/explanation")
    assert (response.status_code, response.json()["error"]["code"]) == (409, "CONFLICT")
    assert (await client.get(f"{JOBS}/J-99/explanation")).status_code == 404


async def test_a_job_that_failed_before_an_attempt_is_explained_by_its_code(
    client: AsyncClient, mock_trainer_service: TrainerService, explained: ExplanationService
) -> None:
    job_id = await submit(client, dataset_id="nowhere")
    await job_in_state(client, job_id, "failed")
    found = (await client.get(f"{JOBS}/{job_id}/explanation")).json()
    assert (found["code"], found["attempt"], found["source"]) == ("DATASET_NOT_FOUND", None, "llm")


def test_evidence_is_cut_to_few_and_short_lines() -> None:
    lines = sendable([f"line {number} " + "x" * 1000 for number in range(100)])
    assert len(lines) == module.MOST_LINES
    assert max(map(len, lines)) <= module.LONGEST_LINE


def test_a_key_over_several_lines_is_taken_out_as_a_whole() -> None:
    lines = ["-----BEGIN PRIVATE KEY-----", "AAAA", "BBBB", "-----END PRIVATE KEY-----", "after"]
    assert sendable(lines) == ["[redacted]", "after"]


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("One.\n\nTwo.\t Three.", "One. Two. Three."),
        ("**Bold** and `code`\x1b[31m", "Bold and 'code' [31m"),
        ("  ", ""),
        ("password=hunter2", "password=[redacted]"),
    ],
)
def test_words_become_one_plain_paragraph(said: str, shown: str) -> None:
    assert plain(said) == shown


def test_words_are_cut_at_the_end_of_a_sentence() -> None:
    text = plain("A sentence of some length. " * 200)
    assert len(text) <= LONGEST
    assert text.endswith("length.")
    assert len(plain("x" * 5000)) <= LONGEST
