"""Redaction in the request log: by name, by value, by form."""

from __future__ import annotations

import json
import time
from urllib.parse import urlencode

import pytest

from jupyter_logstream.server.request_log.redaction import MAX_TEXT_CHARS, CallRedactor, is_secret_name

KEY = "a-key-without-a-known-form"


@pytest.mark.parametrize("name", ["Authorization", "x-api-key", "api-key", "X-Goog-Api-Key", "Cookie", "Set-Cookie",
    "X-Auth-Token",
                                  "password", "client_secret", "key", "X-Amz-Security-Token", "X-Amz-Signature",
                                      "apikey"])  # fmt: skip
def test_a_secret_is_recognized_by_its_name(name: str) -> None:
    assert is_secret_name(name)
    redactor = CallRedactor()
    assert redactor.headers([(name, "x")]) == [(name, "***")]
    assert redactor.query(f"a=1&{name}=x&b") == f"a=1&{name}=***&b"
    assert redactor.body(json.dumps({name: 'a"b', "other": "c"})) == json.dumps({name: "***", "other": "c"})


@pytest.mark.parametrize("name", ["Content-Type", "User-Agent", "model", "max_tokens",
    "anthropic-ratelimit-tokens-remaining", "keyboard",
                                  "Keep-Alive", "x-request-id", "monkey", "x-ratelimit-limit-tokens"])  # fmt: skip
def test_other_headers_are_unchanged(name: str) -> None:
    assert not is_secret_name(name)
    assert CallRedactor().headers([(name, "a value")]) == [(name, "a value")]


def test_a_key_that_a_call_carried_is_redacted_wherever_it_occurs() -> None:
    for headers, query in [
        ([("Authorization", f"Bearer {KEY}")], ""),
        ([("x-api-key", KEY)], ""),
        ([], f"a=1&key={KEY}"),
    ]:
        redactor = CallRedactor()
        redactor.learn(headers, query)
        for text in f"Incorrect key {KEY}.", f'{{"x": "{KEY}"}}', f"/bot{KEY}/send", KEY * 3:
            assert KEY not in redactor.text(text)
            assert KEY not in redactor.body(text)
        assert redactor.headers([("X-Echo", f"got {KEY}")]) == [("X-Echo", "got ***")]
    redactor = CallRedactor()
    redactor.learn([], "key=a%2Fb%2Fc%2Fd%2Fe")
    assert redactor.text("a/b/c/d/e and a%2Fb%2Fc%2Fd%2Fe") == "*** and ***"


@pytest.mark.parametrize("key", ["sk-proj-abcdefghijklmnop", "sk-ant-api03-abcdefghijkl", "ghp_abcdefghijklmnopqrst",
    "AKIAABCDEFGHIJKLMNOP",
                                 "Bearer abcdefghijklmnop", "AIzaSyA1234567890abcdefghijklmnopqrst",
                                     "hf_abcdefghijklmnop",
                                 "eyJhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.abc"])  # fmt: skip
def test_a_key_is_recognized_by_its_form(key: str) -> None:
    assert key.removeprefix("Bearer ") not in CallRedactor().text(f"the key {key} is wrong")


def test_short_values_and_ordinary_text_are_unchanged() -> None:
    redactor = CallRedactor(["abc", ""])
    redactor.learn([("Authorization", "Basic x")], "key=1")
    text = "abc 1 x: a risk-free task-force, sketched sk-ort"
    assert redactor.text(text) == text


def test_a_secret_that_begins_with_another_is_redacted_whole() -> None:
    assert CallRedactor(["secret-one", "secret-one-and-more"]).text("secret-one-and-more") == "***"


HOSTILE = ["eyJ-", "eyJaaaaaaaaaa.", "sk-", "Bearer ", '"key":', '"key":"', '\\"key\\":\\"', '"', "\\", '"a":[',
           "key=%&", "auth"]  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE)
def test_redaction_takes_linear_time_for_any_text(piece: str) -> None:
    """Processor time of four times the text is at most ten times as long, or too short to matter."""

    def used_s(count: int) -> float:
        redactor, text = CallRedactor(), piece * (count // len(piece))
        redactor.learn([("x-key", text)], text)
        start = time.process_time()
        redactor.headers([("x", text)])
        redactor.query(text)
        redactor.body(text)
        redactor.body(text, "application/x-www-form-urlencoded")
        return time.process_time() - start

    small = min(used_s(20_000) for _ in range(3))
    assert min(used_s(80_000) for _ in range(3)) < max(10 * small, 0.1)


def test_long_header_value_and_query_are_cut_before_they_are_redacted() -> None:
    redactor, long = CallRedactor([KEY]), "x" * (MAX_TEXT_CHARS - 10) + KEY + "x" * 100_000
    ((_, value),) = redactor.headers([("X-Echo", long)])
    assert 4000 < len(value) < MAX_TEXT_CHARS
    assert 4000 < len(redactor.query(f"q={long}")) < MAX_TEXT_CHARS
    assert "a-key" not in value + redactor.query(f"q={long}")


@pytest.mark.parametrize(("body", "kind"), [
    (urlencode({"a": "b", "password": "hunter2 & more"}), "application/x-www-form-urlencoded; charset=utf-8"),
    ('{"a": "b", "password": "hunter2', "application/json"), ('{"a": "b", "password": "hunter2\\', ""),
    ('{"a": "b", "password": 72672, "c": 1}', ""), ('{"a": "b", "passwords": ["hunter2", "hunter2"]}', ""),
    ('{"a": "b", "passwords": ["x", "hunter2', ""), ('{"a": "b", "\\u0070assword": "hunter2"}', ""),
    ('{"a": "b", "arguments": "{\\"api_key\\": \\"hunter2\\"}"}', ""),
    ('{"a": "b", "arguments": "{\\"api_key\\": \\"hunter2', ""),
])  # fmt: skip
def test_secret_fields_of_a_body_are_redacted_in_any_form(body: str, kind: str) -> None:
    found = CallRedactor().body(body, kind)
    assert "hunter2" not in found
    assert "72672" not in found
    assert "***" in found
    assert "b" in found


@pytest.mark.parametrize("body", ['{"prompt_tokens": 9, "token_ids": [1, 2], "eos_token_id": 5, "max_tokens": 7}',
                                  '{"usage": {"completion_tokens_details": {"reasoning_tokens": 3}}}'])  # fmt: skip
def test_counts_of_tokens_are_no_secrets(body: str) -> None:
    assert CallRedactor().body(body) == body
