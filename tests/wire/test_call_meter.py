"""The meter of a call: which fields it reports when, for successes, errors and calls that end early."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from jupyter_logstream.wire.call_meter import MAX_ERROR_BYTES, UPDATE_INTERVAL_S, CallMeter
from jupyter_logstream.wire.llm_operations import Operation

CHAT = Operation("chat", "openai")
EVENTS = "text/event-stream"


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_fields_of_a_streamed_llm_call() -> None:
    clock = Clock()
    meter = CallMeter(CHAT, clock=clock)
    assert meter.sent(b'{"model": "tiny", ') == {"model": "tiny", "stream": False}
    assert meter.sent(b'"stream": true}') == {}
    assert meter.answered(200, EVENTS) == {
        "status": "streaming", "http_status": 200, "stream": True, "request_bytes": 33,
    }  # fmt: skip
    clock.now += 0.25
    first = meter.received(b'data: {"model": "tiny-1", "choices": []}\n\n')
    assert (first["time_to_first_chunk_ms"], first["response_model"]) == (250.0, "tiny-1")
    assert meter.received(b"data: {}\n\n") == {}
    clock.now += UPDATE_INTERVAL_S
    usage = b'data: {"usage": {"prompt_tokens": 7, "completion_tokens": 17}}\n\n'
    assert meter.received(usage)["input_tokens"] == 7
    meter.received(b"data: [DONE]\n\n")
    ended = meter.finish()
    assert {name: ended[name] for name in ("status", "error", "output_tokens", "duration_ms")} == {
        "status": "completed", "error": None, "output_tokens": 17, "duration_ms": 1250.0,
    }  # fmt: skip
    assert meter.fail("cancelled") == {}
    assert (meter.models, meter.tokens.output) == (("tiny-1", "tiny"), 17)


def test_the_request_streams_even_if_the_model_is_named_first() -> None:
    meter = CallMeter(CHAT)
    meter.sent(b'{"model": "m"')
    meter.sent(b', "stream": true}')
    assert meter.answered(200, "application/json")["stream"] is True


@pytest.mark.parametrize("operation", [None, CHAT])
@pytest.mark.parametrize(("encoding", "encode"), [("", bytes), ("gzip", gzip.compress), ("GZip ", gzip.compress)])
@pytest.mark.parametrize(("body", "message"), [
    (json.dumps({"error": {"message": "no such model"}}).encode(), "no such model"),
    (json.dumps({"detail": "not here"}).encode(), "not here"),
    (b"  plain text ", "plain text"),
    (b"", "HTTP 404"),
])  # fmt: skip
def test_the_error_of_a_response_is_its_message_whatever_the_encoding(
    operation: Operation | None, encoding: str, encode: Any, body: bytes, message: str
) -> None:
    meter = CallMeter(operation)
    meter.answered(404, "application/json", encoding)
    meter.received(encode(body))
    ended = meter.finish()
    assert (ended["status"], ended["error"]) == ("error", message)


def test_an_error_in_an_unknown_encoding_is_its_status() -> None:
    meter = CallMeter(None)
    meter.answered(500, "text/plain", "compress")
    meter.received(b"\x0b\x02\x80\xff")
    assert meter.finish()["error"] == "HTTP 500"


def test_of_an_error_body_only_the_beginning_is_held() -> None:
    meter = CallMeter(None)
    meter.answered(500)
    for _ in range(100):
        meter.received(b"x" * 1000)
    ended = meter.finish()
    assert (len(ended["error"]), ended["response_bytes"]) == (MAX_ERROR_BYTES, 100_000)


def test_a_stream_without_its_end_marker_is_incomplete() -> None:
    meter = CallMeter(CHAT)
    meter.answered(200, EVENTS)
    meter.received(b"data: {}\n\n")
    ended = meter.finish()
    assert ended["status"] == "interrupted"
    assert ended["error"].startswith("incomplete")


def test_a_client_that_leaves_after_the_end_marker_has_not_cancelled() -> None:
    for marker, status in (b"data: [DONE]\n\n", "completed"), (b"data: {}\n\n", "cancelled"):
        meter = CallMeter(CHAT)
        meter.answered(200, EVENTS)
        meter.received(marker)
        assert meter.fail("cancelled")["status"] == status


def test_an_early_end_reports_the_status_code_that_the_caller_got() -> None:
    ended = CallMeter(None).fail("timeout", "no answer", 504)
    assert (ended["status"], ended["error"], ended["http_status"]) == ("timeout", "no answer", 504)
