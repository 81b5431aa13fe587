"""Bounds of the reading of LLM responses: decompression, processor time and memory for hostile bodies."""

from __future__ import annotations

import gzip
import json
import time
import tracemalloc
import zlib
from typing import Any

import brotli
import pytest
from backports import zstd

from jupyter_logstream.wire.llm_dialects import Tokens
from jupyter_logstream.wire.llm_usage import ResponseReader

EVENTS = "text/event-stream"
CONTENT = {"model": "m-1", "choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": None}]}


def sse(*events: Any) -> bytes:
    return b"".join(b"data: " + (e if isinstance(e, bytes) else json.dumps(e).encode()) + b"\n\n" for e in events)


def encoders() -> dict[str, Any]:
    return {"gzip": gzip.compress, "deflate": zlib.compress, "br": brotli.compress, "zstd": zstd.compress}


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
def test_compressed_stream_is_read_in_any_chunks(encoding: str) -> None:
    body = sse(CONTENT, {**CONTENT, "usage": {"prompt_tokens": 9, "completion_tokens": 5}}, b"[DONE]")
    packed = encoders()[encoding](body)
    for size in 1, 7, 1 << 20:
        reader = ResponseReader(EVENTS, encoding)
        for at in range(0, len(packed), size):
            reader.feed(packed[at : at + size])
        assert (reader.tokens, reader.ended) == (Tokens(9, 5), True)


PIECES = [
    b"[]",
    b"{",
    b'"',
    b"\\",
    b'"\\',
    b"\n",
    b"data: \n\n",
    b"data: {}\n\n",
    b"{}\n",
    b'{"a":1}',
    b"[{",
    b"event: x\n",
    b'data: {"choices":[{',
    b"0",
    b"data: " + b"[" * 1000 + b"\n",
    b"data: {" + b'"a":[' * 1000 + b"\n",
]


@pytest.mark.parametrize("encoding", ["", "gzip", "br", "zstd"])
@pytest.mark.parametrize("piece", PIECES)
def test_hostile_body_takes_little_time_and_memory(piece: bytes, encoding: str) -> None:
    """8 MiB of it: processor time for what arrives at once, and memory for all of it."""
    body = (
        b'{"a":' + piece * (8 * 1024 * 1024 // len(piece))
        if encoding
        else b'{"a":' + piece * (256 * 1024 // len(piece))
    )
    packed = encoders()[encoding](body) if encoding else body
    chunks = [packed[at : at + 256 * 1024] for at in range(0, len(packed), 256 * 1024)]
    reader = ResponseReader(EVENTS, encoding)
    slowest = 0.0
    for chunk in chunks:
        start = time.thread_time()
        reader.feed(chunk)
        slowest = max(slowest, time.thread_time() - start)
    assert slowest < 0.5
    tracemalloc.start()
    reader = ResponseReader(EVENTS, encoding)
    for chunk in chunks:
        reader.feed(chunk)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 * 1024 * 1024
    assert reader.complete or encoding == "" or len(packed) > 100_000
