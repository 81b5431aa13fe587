"""Kind and provider of an LLM call, by its method, path and host. Any process; stdlib, no I/O.

Names follow the OpenTelemetry conventions for generative AI.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

_MAX_PATH_CHARS = 2000


@dataclass(frozen=True, slots=True)
class Operation:
    """A kind of LLM call: its OpenTelemetry name, and the provider whose API form it has.

    `model`: the requested model if the path names it, as Gemini's and Bedrock's do.
    """

    name: str
    provider: str
    model: str | None = None


_OPERATIONS = tuple(
    (re.compile(f"/{pattern}/?$"), name, provider)
    for pattern, name, provider in (
        (r"api/embeddings", "embeddings", "ollama"),  # before OpenAI's, which matches too
        (r"chat/completions", "chat", "openai"),
        (r"completions", "text_completion", "openai"),
        (r"responses", "chat", "openai"),
        (r"embeddings", "embeddings", "openai"),
        (r"messages", "chat", "anthropic"),
        (r"complete", "text_completion", "anthropic"),
        (r"(?:models|tunedModels)/(?P<model>[^/:]+):(?:streamG|g)enerateContent", "generate_content", "gcp.gemini"),
        (r"models/(?P<model>[^/:]+):(?:batchE|e)mbedContents?", "embeddings", "gcp.gemini"),
        (r"models/(?P<model>[^/:]+):(?:streamR|r)awPredict", "chat", "gcp.vertex_ai"),
        (r"api/chat", "chat", "ollama"),
        (r"api/generate", "text_completion", "ollama"),
        (r"api/embed", "embeddings", "ollama"),
        (r"v[12]/chat", "chat", "cohere"),
        (r"v[12]/generate", "text_completion", "cohere"),
        (r"v[12]/embed", "embeddings", "cohere"),
        (r"(?:completion|infill)", "text_completion", "llama_cpp"),
        (r"embedding", "embeddings", "llama_cpp"),
        (r"model/(?P<model>[^/]+)/converse(?:-stream)?", "chat", "aws.bedrock"),
        (r"model/(?P<model>[^/]+)/invoke(?:-with-response-stream)?", "chat", "aws.bedrock"),
    )
)

_HOSTS = (  # suffix of the host name, provider
    ("openai.azure.com", "azure.ai.openai"),
    ("services.ai.azure.com", "azure.ai.inference"),
    ("openai.com", "openai"),
    ("anthropic.com", "anthropic"),
    ("aiplatform.googleapis.com", "gcp.vertex_ai"),
    ("generativelanguage.googleapis.com", "gcp.gemini"),
    ("amazonaws.com", "aws.bedrock"),
    ("mistral.ai", "mistral_ai"),
    ("groq.com", "groq"),
    ("deepseek.com", "deepseek"),
    ("cohere.com", "cohere"),
    ("cohere.ai", "cohere"),
    ("openrouter.ai", "openrouter"),
    ("ollama.com", "ollama"),
    ("perplexity.ai", "perplexity"),
    ("x.ai", "x_ai"),
)


def operation_of(method: str, path: str) -> Operation | None:
    """The kind of LLM call, by method and path; None for any other call."""
    if method != "POST" or len(path) > _MAX_PATH_CHARS:
        return None
    path = f"/{path.lstrip('/')}".replace("%3A", ":").replace("%3a", ":")
    for pattern, name, provider in _OPERATIONS:
        if found := pattern.search(path):
            model = found.groupdict().get("model")
            return Operation(name, provider, unquote(model)[:200] if model else None)
    return None


def provider_of(host: str, operation: Operation) -> str:
    """The provider, by the host's name; for an unknown host the one whose API form the call has."""
    return next((name for end, name in _HOSTS if host == end or host.endswith(f".{end}")), operation.provider)
