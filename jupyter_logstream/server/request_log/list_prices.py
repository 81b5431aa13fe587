"""List prices of LLM providers, from the optional package `genai-prices`. Server; no network.

The package has the prices of its release, so `pip install -U genai-prices` updates them. Its import takes some tenths
of a second, so a thread loads it: at the start of a server with upstreams, else when a cost needs it.
"""

from __future__ import annotations

import asyncio
import importlib
import threading
from concurrent.futures import Future
from typing import Any

from ...wire.llm_dialects import Tokens

_PACKAGE = "genai_prices"
_PROVIDERS = {  # OpenTelemetry's names and ours -> the package's
    "openai": "openai",
    "azure.ai.openai": "azure",
    "azure.ai.inference": "azure",
    "anthropic": "anthropic",
    "gcp.gemini": "google",
    "gcp.vertex_ai": "google",
    "aws.bedrock": "aws",
    "mistral_ai": "mistral",
    "groq": "groq",
    "deepseek": "deepseek",
    "cohere": "cohere",
    "openrouter": "openrouter",
    "perplexity": "perplexity",
    "x_ai": "x-ai",
}
_LOCAL = frozenset({"ollama", "llama_cpp"})  # run on one's own machine
_CLOSED = frozenset({"openai", "anthropic", "google", "x-ai"})  # their models run nowhere else


class ListPrices:
    """The prices of the package; no model has one while it is not loaded, or not installed."""

    def __init__(self) -> None:
        self._module: Any = None
        self._loaded: Future[None] | None = None  # None: not needed so far

    def load(self) -> Future[None]:
        """Start to load the package in a thread, once. The result is set when it is loaded or known to be missing."""
        if self._loaded is None:
            self._loaded = Future()
            self._loaded.set_running_or_notify_cancel()  # a caller that is cancelled does not cancel it
            threading.Thread(target=self._load, args=(self._loaded,), name="list-prices", daemon=True).start()
        return self._loaded

    async def ready(self) -> None:
        """Wait until the package is loaded."""
        await asyncio.wrap_future(self.load())

    def cost(self, provider: str | None, tokens: Tokens, model: str) -> float | None:
        """US dollars; None: unknown. A provider that is not known can be a gateway to the models of known ones."""
        if self._module is None or provider in _LOCAL:
            return None
        names = [_PROVIDERS.get(provider or "")]
        if "/" in model:
            names.append(model.partition("/")[0])
        for name, known in ((name, known) for name in (model, model.rpartition("/")[2]) for known in (*names, None)):
            found = self._calculated(known, tokens, name)
            if found is not None and (known is not None or found.provider.id in _CLOSED):
                return float(found.total_price)
        return None

    def _calculated(self, provider: str | None, tokens: Tokens, model: str) -> Any:
        usage = {
            "input_tokens": tokens.input or 0,
            "output_tokens": tokens.output or 0,
            "cache_read_tokens": min(tokens.cached or 0, tokens.input or 0),
        }
        usage["cache_write_tokens"] = min(tokens.cache_writes or 0, usage["input_tokens"] - usage["cache_read_tokens"])
        try:
            return self._module.calc_price(self._module.Usage(**usage), model, provider_id=provider)
        except (LookupError, ValueError):
            return None

    def _load(self, loaded: Future[None]) -> None:
        try:
            module = importlib.import_module(_PACKAGE)
            importlib.import_module(f"{_PACKAGE}.data")  # otherwise loaded by the first call
            self._module = module
        except ImportError:
            return
        finally:
            loaded.set_result(None)
