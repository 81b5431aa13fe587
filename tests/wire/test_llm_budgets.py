"""Bounds of the reading of LLM responses: decompression, processor time and memory for hostile bodies."""

from __future__ import annotations

import gzip
import json
import random
import time
import tracemalloc
import zlib
from typing import Any

import brotli
import pytest
from backports import zstd
from support.llm_bodies import CHAT, CONTENT, EVENTS, sse

from jupyter_logstream.wire.call_meter import CallMeter
from jupyter_logstream.wire.decoding import Decoder, decode_body
from jupyter_logstream.wire.llm_dialects import Tokens
from jupyter_logstream.wire.llm_usage import ResponseReader


def encoders() -> dict[str, Any]:
    return {
        "gzip": gzip.compress,
        "deflate": zlib.compress,
        "br": lambda body: brotli.compress(body, quality=5),
        "zstd": zstd.compress,
    }


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
        reader.accept(chunk)
        while reader.is_behind:
            start = time.thread_time()
            reader.step()
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


def embeddings(size: int) -> bytes:
    """A response of numbers, which compresses about as well as real ones."""
    number = 1
    numbers = []
    while len(numbers) * 12 < size:
        number = number * 6364136223846793005 % 2**64
        numbers.append(number / 2**65)
    body = {"data": [{"embedding": numbers}], "model": "e", "usage": {"prompt_tokens": 7, "total_tokens": 7}}
    return json.dumps(body).encode()


@pytest.mark.parametrize("encoding", ["", "gzip", "deflate", "br", "zstd"])
def test_large_chunk_is_read_to_its_end_in_steps(encoding: str) -> None:
    """A body of 3 MB in one chunk, and a stream whose events differ in a word only: it compresses 30 times."""
    words = random.Random(1)
    parts = [{**CONTENT, "id": f"chatcmpl-{'x' * 80}", "text": words.randbytes(5).hex()} for _ in range(9000)]
    stream = sse(*parts, {**CONTENT, "usage": {"prompt_tokens": 7}}, b"[DONE]")
    for body, kind in (embeddings(3_000_000), "application/json"), (stream, EVENTS):
        packed = encoders()[encoding](body) if encoding else body
        meter = CallMeter(CHAT)
        meter.answered(200, kind, encoding)
        fields, steps = meter.received(packed), 0
        while meter.is_behind:
            fields |= meter.read_on()
            steps += 1
        assert steps >= len(body) // (400 * 1024)
        assert meter.finish()["input_tokens"] == 7


def test_end_reads_what_is_left_of_a_large_chunk() -> None:
    packed = gzip.compress(embeddings(2_000_000))
    for cancel in False, True:
        meter = CallMeter(CHAT)
        meter.answered(200, "application/json", "gzip")
        meter.received(packed)
        assert meter.is_behind
        assert (meter.fail("cancelled") if cancel else meter.finish())["input_tokens"] == 7


def test_members_and_empty_members_of_gzip_are_read_in_linear_time() -> None:
    packed = b"".join(gzip.compress(event) for event in (sse(CONTENT), b"", sse(b"[DONE]")))
    reader = ResponseReader(EVENTS, "gzip")
    for byte in packed:
        reader.feed(bytes([byte]))
    assert (reader.model, reader.ended) == ("m-1", True)
    many = gzip.compress(b"") * 25_000
    start = time.thread_time()
    assert b"".join(Decoder("gzip").feed(many)) == b""
    assert time.thread_time() - start < 2


@pytest.mark.parametrize("size", [1, 2, 1 << 20])
def test_deflate_is_read_with_and_without_the_header_of_zlib(size: int) -> None:
    body = sse(CONTENT, {**CONTENT, "usage": {"prompt_tokens": 9, "completion_tokens": 5}}, b"[DONE]")
    raw = zlib.compressobj(wbits=-15)
    for packed in zlib.compress(body), raw.compress(body) + raw.flush():
        reader = ResponseReader(EVENTS, "deflate")
        for at in range(0, len(packed), size):
            reader.feed(packed[at : at + size])
        assert reader.tokens == Tokens(9, 5)


@pytest.mark.parametrize("length", [65_535, 65_536, 65_537, 131_072, 200_000])
def test_end_of_a_body_that_fills_pieces_exactly_is_not_lost(length: int) -> None:
    for encoding, encode in encoders().items():
        body = b"ab" * (length // 2) + b"!" * (length % 2)
        packed = encode(body)
        padded = packed if len(packed) * 16 + 65_536 >= length else None
        if padded is not None:
            assert decode_body(padded, encoding).encode() == body
