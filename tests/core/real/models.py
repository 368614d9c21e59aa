"""Failures of language models, also those without an exception."""

from collections.abc import Callable
from typing import Any

from tests.core.real.cases import (
    BUSY,
    LLM_AWAY,
    LLM_REFUSED,
    LLM_THROTTLED,
    NETWORK,
    Expected,
    Servers,
    case,
    patience,
    with_path,
)


def ask_anthropic(url: str, *, stream: bool = False) -> Any:
    """The answer of one call without retries; of a stream, the message it adds up to."""
    from anthropic import Anthropic

    with Anthropic(base_url=url, api_key="k", max_retries=0, timeout=patience(url)) as client:
        asked: Any = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "?"}]}
        if not stream:
            return client.messages.create(**asked)
        with client.messages.stream(**asked) as events:
            return events.get_final_message()


def ask_openai(url: str, *, stream: bool = False) -> Any:
    """The answer of one call without retries; of a stream, its last chunk."""
    from openai import OpenAI

    with OpenAI(base_url=url + "/v1", api_key="k", max_retries=0, timeout=patience(url)) as client:
        asked: Any = {"model": "m", "messages": [{"role": "user", "content": "?"}], "stream": stream}
        answer = client.chat.completions.create(**asked)
        return list(answer)[-1] if stream else answer


MODELS: list[tuple[str, Expected, float | None]] = [
    ("hang", LLM_AWAY, None),
    ("close", LLM_AWAY, None),
    ("reset", LLM_AWAY, None),
    ("status-400", LLM_REFUSED, None),
    ("typed-400-invalid_request_error", LLM_REFUSED, None),
    ("typed-401-authentication_error", LLM_REFUSED, None),
    ("typed-403-permission_error", LLM_REFUSED, None),
    ("typed-404-not_found_error", LLM_REFUSED, None),
    ("status-404", LLM_REFUSED, None),
    ("status-409", LLM_REFUSED, None),
    ("typed-413-request_too_large", LLM_REFUSED, None),
    ("status-422", LLM_REFUSED, None),
    ("status-429-after-7", LLM_THROTTLED, 7),
    ("status-429-date-40", LLM_THROTTLED, 40),
    ("status-429-ms-300", LLM_THROTTLED, 0.3),
    ("typed-429-insufficient_quota", ("LLM_UNAVAILABLE", False, "neutral"), None),
    ("typed-429-rate_limit_error", LLM_THROTTLED, None),
    ("typed-500-api_error", LLM_AWAY, None),
    ("html-502", LLM_AWAY, None),
    ("status-503", LLM_AWAY, None),
    ("status-503-never", ("LLM_UNAVAILABLE", False, "failure"), None),
    ("typed-504-timeout_error", LLM_AWAY, None),
    ("typed-529-overloaded_error", LLM_AWAY, None),
    ("cut", LLM_AWAY, None),
]
for _ask in (ask_anthropic, ask_openai):
    _name = _ask.__name__.removeprefix("ask_")
    for _path, _expected, _after in MODELS:
        case(f"{_name}-{_path}", _expected, _after)(with_path(_ask, _path))
    case(f"{_name}-refused", LLM_AWAY)(lambda servers, ask=_ask: ask(f"http://127.0.0.1:{servers('nobody')}"))
    case(f"{_name}-stream-error", LLM_AWAY)(
        lambda s, ask=_ask, n=_name: ask(f"{s('http').url}/stream-{n}-error", stream=True)
    )
    # Anthropic's client lets the HTTP library's own exception through.
    case(f"{_name}-stream-cut", NETWORK if _name == "anthropic" else LLM_AWAY)(
        lambda s, ask=_ask, n=_name: ask(f"{s('http').url}/stream-{n}-cut", stream=True)
    )


def _checked(ask: Callable[..., Any], path: str, *, stream: bool = False) -> Callable[[Servers], Any]:
    def run(servers: Servers) -> None:
        from app.core.llm_answers import text_of

        text_of(ask(f"{servers('http').url}/{path}", stream=stream))

    return run


case("anthropic-broken-json", BUSY)(with_path(ask_anthropic, "broken"))
case("openai-broken-json", BUSY)(with_path(ask_openai, "broken"))
case("anthropic-empty-answer", LLM_AWAY)(_checked(ask_anthropic, "ok"))
case("openai-empty-answer", LLM_AWAY)(_checked(ask_openai, "ok"))
case("anthropic-stream-early-end", LLM_AWAY)(_checked(ask_anthropic, "stream-anthropic-early", stream=True))
case("openai-stream-early-end", LLM_AWAY)(_checked(ask_openai, "stream-openai-early", stream=True))
