"""AWS's binary event stream, in which Bedrock streams its answers: messages in any chunks, errors, bounds."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from typing import Any

import pytest
from support.llm_bodies import final

from jupyter_logstream.wire.llm_dialects import Tokens
from jupyter_logstream.wire.llm_usage import ResponseReader

AWS = "application/vnd.amazon.eventstream"


def message(value: Any, **headers: str) -> bytes:
    """One message, by the specification of the format: checksums included."""
    payload = value if isinstance(value, bytes) else json.dumps(value).encode()
    head = b""
    for name, text in {"message-type": "event", "content-type": "application/json", **headers}.items():
        key = f":{name.replace('_', '-')}".encode()
        head += bytes([len(key)]) + key + b"\x07" + struct.pack(">H", len(text)) + text.encode()
    prelude = struct.pack(">II", 16 + len(head) + len(payload), len(head))
    begun = prelude + struct.pack(">I", zlib.crc32(prelude)) + head + payload
    return begun + struct.pack(">I", zlib.crc32(begun))


def exception(kind: str, text: str) -> bytes:
    return message({"message": text}, **{"message-type": "exception", "exception-type": kind})


DELTA = message({"contentBlockIndex": 0, "delta": {"text": "a"}}, **{"event-type": "contentBlockDelta"})
START = message({"role": "assistant"}, **{"event-type": "messageStart"}) + DELTA * 3
STOP = message({"stopReason": "max_tokens"}, **{"event-type": "messageStop"})
METADATA = message(
    {"usage": {"inputTokens": 4, "outputTokens": 6, "totalTokens": 15, "cacheReadInputTokens": 5}, "metrics": {}},
    **{"event-type": "metadata"},
)


def test_converse_stream_has_tokens_and_reason_in_any_chunks() -> None:
    body = START + STOP + METADATA
    for kind in AWS, "":
        for size in 1, 5, 13, 1 << 20:
            ended = final(body, kind, size)
            names = ("status", "input_tokens", "output_tokens", "cached_tokens", "finish_reason", "stream")
            assert [ended[name] for name in names] == ["completed", 9, 6, 5, "max_tokens", True]


def test_stream_of_a_models_own_events_is_read() -> None:
    events = [
        {"type": "message_start", "message": {"model": "claude", "usage": {"input_tokens": 3, "output_tokens": 1}}},
        {"type": "content_block_delta", "delta": {"text": "a"}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 7}},
        {"type": "message_stop", "amazon-bedrock-invocationMetrics": {"inputTokenCount": 3, "outputTokenCount": 7}},
    ]
    packed = [{"bytes": base64.b64encode(json.dumps(event).encode()).decode(), "p": "abc"} for event in events]
    ended = final(b"".join(message(value, **{"event-type": "chunk"}) for value in packed), AWS)
    names = ("status", "response_model", "input_tokens", "output_tokens", "finish_reason")
    assert [ended[name] for name in names] == ["completed", "claude", 3, 7, "end_turn"]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (exception("throttlingException", "Too many tokens"), "Too many tokens"),
        (START + exception("modelStreamErrorException", "engine died"), "engine died"),
        (
            START + message(b"", **{"message-type": "exception", "exception-type": "internalServerException"}),
            "internal",
        ),
        (START + message(b"", **{"message-type": "error", "error-code": "500", "error-message": "oh"}), "oh"),
        (START + message({"internalServerException": {"message": "inside"}}), "inside"),
    ],
)
def test_exception_in_the_stream_is_the_calls_error(body: bytes, text: str) -> None:
    for size in 1, 1 << 20:
        ended = final(body, AWS, size)
        assert (ended["status"], ended["output_tokens"]) == ("error", None)
        assert text in ended["error"]


def test_stream_that_is_cut_is_interrupted_and_a_cancelled_one_has_no_output() -> None:
    assert final(START + STOP[:20], AWS)["status"] == "interrupted"
    ended = final(START, AWS, cancel=True)
    assert (ended["status"], ended["output_tokens"]) == ("cancelled", None)


def test_message_that_is_too_long_is_skipped() -> None:
    long = message({"delta": {"text": "x" * 1_000_000}})
    for size in 1000, 1 << 21:
        reader = ResponseReader(AWS)
        body = START + long + STOP + METADATA
        for at in range(0, len(body), size):
            reader.feed(body[at : at + size])
        assert (reader.tokens, reader.ended) == (Tokens(9, 6, 5), True)


@pytest.mark.parametrize("body", [b"\0" * 1000, b"\0\0\0\x10" + b"\xff" * 100, START + b"\0" * 50, message(b"[" * 5000),
    message(b"{"), message({"bytes": "?"}), message({"bytes": "e30"}), message([1])])  # fmt: skip
def test_malformed_stream_yields_nothing_and_no_failure(body: bytes) -> None:
    for size in 1, 1 << 20:
        ended = final(body, AWS, size)
        assert ended["input_tokens"] is ended["output_tokens"] is ended["error"] is None or ended["status"] != "error"


def test_headers_of_other_types_are_skipped() -> None:
    others = b"\x01a\x00\x01b\x01\x01c\x02\x09\x01d\x03\0\1\x01e\x04\0\0\0\1\x01f\x05" + b"\0" * 8
    others += b"\x01g\x06\0\2xx\x01h\x08" + b"\0" * 8 + b"\x01i\x09" + b"\0" * 16
    whole = exception("throttlingException", "slow down")
    length, size = struct.unpack_from(">II", whole)
    prelude = struct.pack(">II", length + len(others), size + len(others))
    body = prelude + struct.pack(">I", zlib.crc32(prelude)) + others + whole[12:]
    assert final(body, AWS)["error"] == "slow down"
