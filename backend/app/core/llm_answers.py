"""Answers of language models that fail without an exception: empty ones, and streams that end before the model did."""

from typing import Any

from app.core.errors import ErrorSeverity, ErrorType, PlatformError

WHOLE = frozenset({"end_turn", "stop_sequence", "max_tokens", "stop", "length"})
"""Why a model stopped, where what it said can be used."""
REFUSALS = frozenset({"refusal", "content_filter"})


def text_of(answer: Any) -> str:
    """The text of an Anthropic message, an OpenAI completion, or what a stream of either added up to.

    Raises:
        PlatformError: LLM_UNAVAILABLE; to be tried again where the answer is empty or was not finished, not where the
            model declined.
    """
    choices = getattr(answer, "choices", None)
    if choices:
        reason, text = getattr(choices[0], "finish_reason", None), _openai_text(choices[0])
    else:
        reason, text = getattr(answer, "stop_reason", None), _anthropic_text(answer)
    if reason in REFUSALS:
        raise _declined(str(reason))
    if reason not in WHOLE or not text:
        details = {"details": f"the model's answer ended without a reason to ({reason})" if text else "an empty answer"}
        raise PlatformError.from_code("LLM_UNAVAILABLE", details)
    return text


def _openai_text(choice: Any) -> str:
    told = getattr(choice, "message", None) or getattr(choice, "delta", None)
    return getattr(told, "content", None) or ""


def _anthropic_text(message: Any) -> str:
    blocks = getattr(message, "content", None) or ()
    return "".join(block.text for block in blocks if getattr(block, "type", None) == "text")


def _declined(reason: str) -> PlatformError:
    return PlatformError(
        f"the model declined to answer ({reason})", ErrorType.PERMANENT, ErrorSeverity.LOW, code="LLM_UNAVAILABLE"
    )
