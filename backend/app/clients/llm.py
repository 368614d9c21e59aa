"""Words from a language model, over Anthropic's or OpenAI's SDK. What the SDKs raise ends here.

The SDKs take seconds to import, so that happens on first use and beside the event loop. Their own retries are off: the
`llm` policy is the one layer that tries again.
"""

import asyncio
import importlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Literal

from pydantic import SecretStr

from app.config import Settings
from app.core import timing
from app.core.circuit_breaker import CircuitBreaker
from app.core.errors import PlatformError, ServiceUnavailableError
from app.core.policies import LLM
from app.core.retry import protect

Provider = Literal["anthropic", "openai"]
MODELS: dict[Provider, str] = {"anthropic": "claude-haiku-4-5", "openai": "gpt-5-mini"}
CALL_SECONDS = 20.0
"""How long a server may stay silent."""
MOST_TOKENS = 1024
SERVICE = "The language model"
Leave = Callable[[], Awaitable[bool]]
"""Asked before each request; False where the day's budget is used up."""


async def _always() -> bool:
    return True


class LlmClient:
    """One provider, model and key. `base_url` is for a server of one's own that speaks the same wire format."""

    def __init__(
        self,
        provider: Provider,
        key: str,
        model: str | None = None,
        base_url: str | None = None,
        breaker: CircuitBreaker | None = None,
    ) -> None:
        self.provider = provider
        self.model = model or MODELS[provider]
        self.base_url = base_url
        self._key = key
        self.breaker = breaker or LLM.breaker()
        self._protected = protect(LLM, breaker=self.breaker)(self._once)

    async def write(self, system: str, prompt: str, longest: int, leave: Leave = _always) -> str:
        """The model's answer, at most `longest` characters; what goes beyond is not waited for.

        Raises:
            PlatformError: LLM_UNAVAILABLE, whatever the reason; that is its cause, QUOTA_EXCEEDED where there is no `leave`.
        """
        try:
            text: str = await self._protected(system, prompt, longest, leave)
        except Exception as error:
            raise PlatformError.from_code("LLM_UNAVAILABLE", cause=error) from error
        return text

    async def _once(self, system: str, prompt: str, longest: int, leave: Leave) -> str:
        if not await leave():
            raise PlatformError.from_code("QUOTA_EXCEEDED", {"resource": "requests to the language model"})
        sdk = await asyncio.to_thread(importlib.import_module, self.provider)
        make = sdk.AsyncAnthropic if self.provider == "anthropic" else sdk.AsyncOpenAI
        pieces = _anthropic if self.provider == "anthropic" else _openai
        seconds = timing.within(CALL_SECONDS)
        text, ended = "", False
        async with make(api_key=self._key, base_url=self.base_url, max_retries=0, timeout=seconds) as client:
            async for piece, last in pieces(client, self.model, system, prompt):
                text += piece
                ended = ended or last
                if len(text) > longest:
                    return text[:longest]
        if not ended or not text.strip():
            # A stream that was cut, or an answer without content, raises nothing in the SDKs.
            raise ServiceUnavailableError(SERVICE)
        return text


async def _anthropic(client: Any, model: str, system: str, prompt: str) -> AsyncIterator[tuple[str, bool]]:
    """Pieces of the answer, and whether the model said that it is complete."""
    stream = await client.messages.create(
        model=model,
        max_tokens=MOST_TOKENS,
        system=system,
        messages=[{"role": "user", "content": prompt}],
        stream=True,
    )
    async for event in stream:
        if event.type == "content_block_delta":
            yield getattr(event.delta, "text", ""), False
        elif event.type == "message_delta":
            yield "", event.delta.stop_reason is not None


async def _openai(client: Any, model: str, system: str, prompt: str) -> AsyncIterator[tuple[str, bool]]:
    """Pieces of the answer, and whether the model said that it is complete."""
    stream = await client.chat.completions.create(
        model=model,
        max_completion_tokens=MOST_TOKENS,
        messages=[{"role": "system", "content": system}, {"role": "user", "content": prompt}],
        stream=True,
    )
    async for chunk in stream:
        for choice in chunk.choices or ():
            yield choice.delta.content or "", choice.finish_reason is not None


def make_llm(settings: Settings) -> LlmClient | None:
    """The client of the provider that is set, else of whoever has a key, Anthropic first; None without one."""
    ways: dict[Provider, tuple[SecretStr | None, str | None]] = {
        "anthropic": (settings.anthropic_api_key, settings.anthropic_base_url),
        "openai": (settings.openai_api_key, settings.openai_base_url),
    }
    for provider, (key, url) in ways.items():
        if key and settings.llm_provider in (None, provider):
            return LlmClient(provider, key.get_secret_value(), settings.llm_model, url)
    return None
