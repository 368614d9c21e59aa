"""Answers of language models that fail without an exception."""

from types import SimpleNamespace as Some

import pytest

from app.core.classify import classify
from app.core.errors import PlatformError
from app.core.llm_answers import text_of


def anthropic(reason: str | None, *texts: str) -> Some:
    return Some(stop_reason=reason, content=[Some(type="thinking"), *[Some(type="text", text=text) for text in texts]])


def openai(reason: str | None, text: str | None, *, stream: bool = False) -> Some:
    told = {"delta" if stream else "message": Some(content=text)}
    return Some(choices=[Some(finish_reason=reason, **told)])


@pytest.mark.parametrize(
    "answer",
    [
        anthropic("end_turn", "He", "llo"),
        anthropic("max_tokens", "Hello"),
        anthropic("stop_sequence", "Hello"),
        openai("stop", "Hello"),
        openai("length", "Hello"),
        openai("stop", "Hello", stream=True),
    ],
)
def test_a_whole_answer_gives_its_text(answer: Some) -> None:
    assert text_of(answer) == "Hello"


@pytest.mark.parametrize(
    "answer",
    [
        anthropic(None, "Hel"),
        anthropic("tool_use", "Hel"),
        anthropic("end_turn"),
        Some(stop_reason="end_turn", content=None),
        openai(None, "Hel"),
        openai("stop", None),
        openai("stop", ""),
        Some(choices=None),
        Some(choices=[]),
        Some(choices=[Some(finish_reason="stop")]),
        Some(),
        None,
    ],
)
def test_an_empty_or_unfinished_answer_is_to_be_asked_again(answer: Some | None) -> None:
    with pytest.raises(PlatformError) as caught:
        text_of(answer)
    verdict = classify(caught.value)
    assert (verdict.code, verdict.retryable, verdict.counts) == ("LLM_UNAVAILABLE", True, "failure")


@pytest.mark.parametrize("answer", [anthropic("refusal", "No."), openai("content_filter", None)])
def test_a_model_that_declines_is_not_asked_again(answer: Some) -> None:
    with pytest.raises(PlatformError, match="declined") as caught:
        text_of(answer)
    verdict = classify(caught.value)
    assert (verdict.code, verdict.retryable, verdict.counts) == ("LLM_UNAVAILABLE", False, "neutral")
