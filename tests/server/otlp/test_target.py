"""Settings of the push to OpenTelemetry, and the meaning of a collector's answers."""

from __future__ import annotations

import time
from email.utils import formatdate
from io import BytesIO

import pytest
from support.exported import START_MS, attributes_of, parsed
from tornado.httpclient import HTTPRequest, HTTPResponse
from tornado.httputil import HTTPHeaders
from traitlets import TraitError

from jupyter_logstream.server.extension import LogStream
from jupyter_logstream.server.otlp.calls import call_record
from jupyter_logstream.server.otlp.client import MAX_RETRY_AFTER_S, Verdict, outcome
from jupyter_logstream.server.otlp.records import encode, logs_data
from jupyter_logstream.server.otlp.target import logs_url, secrets_of
from jupyter_logstream.server.request_log.row import FIELDS, Row


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("http://localhost:4318", "http://localhost:4318/v1/logs"),
        ("http://localhost:4318/", "http://localhost:4318/v1/logs"),
        ("https://otel.example/otlp", "https://otel.example/otlp/v1/logs"),
        ("https://otel.example/v1/logs", "https://otel.example/v1/logs"),
        ("http://[::1]:4318", "http://[::1]:4318/v1/logs"),
    ],
)
def test_endpoint_is_completed_with_the_path_of_logs(endpoint: str, url: str) -> None:
    assert logs_url(endpoint) == url


@pytest.mark.parametrize(
    "option",
    [
        {"otlp_endpoint": "localhost:4318"},
        {"otlp_endpoint": "ftp://localhost"},
        {"otlp_endpoint": "http://user:hidden-password@localhost"},
        {"otlp_endpoint": "http://localhost/?key=hidden-password"},
        {"otlp_endpoint": "http://local host"},
        {"otlp_headers": {"Author ization": "hidden-password"}},
        {"otlp_headers": {"Authorization": "hidden-password\r\nX: y"}},
        {"otlp_headers": {"Authorization": 7}},
        {"otlp_resource": {"service.name": 7}},
    ],
    ids=repr,
)
def test_wrong_option_is_named_without_its_value(option: dict[str, object]) -> None:
    with pytest.raises(TraitError, match=rf"c\.LogStream\.{next(iter(option))}.* must|has a name") as raised:
        LogStream(**option)
    assert "hidden-password" not in str(raised.value)


def test_header_values_are_secrets_with_and_without_their_scheme() -> None:
    assert secrets_of({"Authorization": "Bearer abcdefgh", "X-Scope": "a"}) == ["Bearer abcdefgh", "abcdefgh"]


def answer(status: int, body: bytes = b"", **headers: str) -> HTTPResponse:
    named = HTTPHeaders({name.replace("_", "-"): value for name, value in headers.items()})
    return HTTPResponse(HTTPRequest("http://localhost"), status, named, BytesIO(body))


@pytest.mark.parametrize(
    ("verdict", "statuses"),
    [
        (Verdict.ACCEPTED, [200, 202, 204]),
        (Verdict.UNAVAILABLE, [429, 502, 503, 504]),
        (Verdict.MISCONFIGURED, [301, 307, 401, 403, 404, 405]),
        (Verdict.TOO_LARGE, [413]),
        (Verdict.REFUSED, [400, 409, 415, 422]),
        (Verdict.FAILED, [500, 501]),
    ],
)
def test_status_decides_what_becomes_of_a_batch(verdict: Verdict, statuses: list[int]) -> None:
    assert {outcome(answer(status)).verdict for status in statuses} == {verdict}


def test_answers_of_any_form_are_read() -> None:
    assert outcome(answer(400, b'{"message": "bad \\u001b[31m\\nvalue"}')).problem == "400 bad [31m value"
    assert outcome(answer(200, b'{"partialSuccess": {"rejectedLogRecords": "7"}}')).rejected == 7
    assert outcome(answer(200, b'{"partialSuccess": {"rejectedLogRecords": 7}}')).rejected == 7
    for body in b"", b"null", b"[1]", b"\x0a\x02\x08\x07", b'{"partialSuccess": null}', b"[" * 100_000:
        assert (outcome(answer(200, body)).rejected, outcome(answer(200, body)).problem) == (0, "")
    assert len(outcome(answer(503, b'{"message": "%s"}' % (b"x" * 10_000))).problem) < 300


def test_retry_after_is_seconds_or_a_date_and_bounded() -> None:
    assert outcome(answer(429, Retry_After="12")).retry_after_s == 12
    later = outcome(answer(429, Retry_After=formatdate(time.time() + 100, usegmt=True))).retry_after_s
    assert later is not None
    assert 50 < later <= 100
    assert outcome(answer(429, Retry_After=formatdate(0, usegmt=True))).retry_after_s == 0
    assert outcome(answer(429, Retry_After="9" * 30)).retry_after_s == MAX_RETRY_AFTER_S
    assert outcome(answer(429, Retry_After="soon")).retry_after_s is None
    assert outcome(answer(429)).retry_after_s is None


def test_every_field_of_a_call_is_an_attribute_of_the_schema() -> None:
    numbers = {name: i + 1 for i, name in enumerate(FIELDS)}
    texts = {"upstream", "method", "path", "provider", "model", "response_model", "operation", "session"}
    texts |= {"workload_id", "cell", "error", "finish_reason"}
    values = {name: name if name in texts else number for name, number in numbers.items()}
    row = Row(**{**values, "id": "R1", "status": "completed", "initial_time": START_MS, "stream": True})
    body = logs_data([({"service.name": "x"}, [encode(call_record(row))])])
    found = attributes_of(parsed(body).resource_logs[0].scope_logs[0].log_records[0])
    shown = {str(value) for value in found.values()}
    missing = {name for name in FIELDS if str(values[name]) not in shown}
    assert missing == {
        "id",
        "status",
        "initial_time",
        "duration_ms",
        "time_to_first_chunk_ms",
        "stream",
        "finish_reason",
    }
    assert (found["logstream.request.id"], found["gen_ai.request.stream"]) == ("R1", True)
    assert found["gen_ai.client.operation.duration"] == values["duration_ms"] / 1000


def test_call_without_anything_known_is_a_record() -> None:
    record = call_record(Row("R1", "interrupted", START_MS))
    assert record["body"] == {"stringValue": "interrupted"}
    assert record["severityText"] == "WARN"
    assert parsed(logs_data([({}, [encode(record)])]))
