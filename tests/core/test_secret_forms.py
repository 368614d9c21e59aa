"""Secrets of every known form are gone from any text; what only looks like one stays; and it costs microseconds."""

import json
import time

import pytest

from app.core.redact import redact_text
from tests.core import secret_corpus

CORPUS = {**secret_corpus.TOKENS, **secret_corpus.OTHERS}


@pytest.mark.parametrize("name", CORPUS)
def test_no_secret_of_a_known_form_is_left_wherever_it_stands(name: str) -> None:
    maker = secret_corpus.Maker(secret_corpus.SEED)
    print("seed", secret_corpus.SEED)
    for _ in range(5):
        text, secrets = CORPUS[name](maker)
        for around in secret_corpus.surroundings(text):
            cleaned = redact_text(around)
            left = [secret for secret in secrets if secret in cleaned or json.dumps(secret)[1:-1] in cleaned]
            assert left == [], (around, cleaned)
            assert redact_text(cleaned) == cleaned


def test_the_corpus_holds_what_is_promised() -> None:
    assert len(CORPUS) >= 60


def test_what_only_looks_like_a_secret_is_left_alone() -> None:
    maker = secret_corpus.Maker(secret_corpus.SEED)
    print("seed", secret_corpus.SEED)
    for _ in range(50):
        for text in secret_corpus.ordinary(maker):
            assert redact_text(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "password=" * 30_000, "a@" * 100_000, "://" * 80_000, "a:b@" * 60_000, "-----BEGIN PRIVATE KEY-----" * 8_000,
        "eyJ" + "a" * 250_000, "bearer " * 40_000, '"' * 250_000, "x" * 250_000, "a." * 120_000, "$2b$12$" * 30_000,
    ],
)  # fmt: skip
def test_time_grows_with_the_length_and_no_faster(text: str) -> None:
    """Twice as much text takes about twice as long; an expression that goes back and forth would take four times."""
    redact_text(text[:1000])

    def least(given: str) -> float:
        times = []
        for _ in range(3):
            began = time.thread_time()
            redact_text(given)
            times.append(time.thread_time() - began)
        return min(times)

    half, whole = least(text[: len(text) // 2]), least(text)
    print(f"{len(text)} characters: {whole * 1000:.1f} ms")
    assert whole < max(3.2 * half, 0.02)


def test_a_line_without_secrets_costs_microseconds() -> None:
    line = "2026-11-25T04:00:00Z epoch 3/10 step 120/400 loss 0.4213 lr 0.001 images/train/000123.jpg sha256 " + "ab" * 32
    redact_text(line)
    began = time.thread_time()
    for _ in range(5_000):
        redact_text(line)
    each = (time.thread_time() - began) / 5_000 * 1e6
    print(f"{each:.1f} µs for a line of {len(line)} characters")
    assert each < 60
