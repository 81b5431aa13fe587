"""The clients that people use - openai's, anthropic's, curl - through the proxy, against a real small LLM service."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import pytest
from anthropic import Anthropic, NotFoundError
from anthropic import RateLimitError as AnthropicRateLimit
from openai import APIConnectionError, AuthenticationError, OpenAI
from openai import NotFoundError as OpenAINotFound
from support.paths import NOTEBOOKS
from support.serving import TOKEN, Server, jupyter

LLM_SERVER = NOTEBOOKS / "llm_server.py"
KEY = "sk-a-vendors-key-of-the-tests"
QUESTION = [{"role": "user", "content": "What does the gradient do tonight ?"}]  # seven tokens
ANSWER = "The gradient descends quietly through the evening until it finds a valley and calls it home ."
PRICES = {"tiny*": {"input": 1.0, "cached": 0.5, "output": 10.0}}
COST = (5 * 1.0 + 2 * 0.5 + 17 * 10.0) / 1e6


@pytest.fixture(scope="module")
def llm() -> Iterator[str]:
    command = [sys.executable, "-u", str(LLM_SERVER), "--key", KEY, "--pause", "0.02", "--gzip"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    yield process.stdout.readline().split()[-1]
    process.terminate()
    process.wait(10)


@pytest.fixture(scope="module")
def server(llm: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    upstreams = {
        "llm": {"url": llm, "headers": {"Authorization": f"Bearer {KEY}"}, "prices": PRICES},
        "claude": {"url": llm.removesuffix("/v1"), "headers": {"x-api-key": KEY}, "prices": PRICES},
        "open": {"url": llm},
    }
    with jupyter(tmp_path_factory.mktemp("server"), options=(f"--LogStream.upstreams={upstreams!r}",)) as made:
        yield made


@pytest.fixture
def openai(server: Server) -> OpenAI:
    return OpenAI(base_url=f"{server.url}logstream/proxy/llm", api_key=secret(server), max_retries=0)


@pytest.fixture
def anthropic(server: Server) -> Anthropic:
    return Anthropic(base_url=f"{server.url}logstream/proxy/claude", api_key=secret(server), max_retries=0)


def secret(server: Server) -> str:
    (address,) = (server.folder / "data").glob("logstream/*/server.json")
    found: str = json.loads(address.read_text())["secret"]
    return found


def newest(server: Server) -> dict[str, Any]:
    found: dict[str, Any] = server.get("requests", limit=1)["requests"][0]
    return found


def check(row: dict[str, Any], **wanted: Any) -> None:
    wanted = {"status": "completed", "http_status": 200, "method": "POST", "model": "tiny", "input_tokens": 7,
              "output_tokens": 17, "cached_tokens": 2, "response_model": "tiny-2026-01-01", "operation": "chat",
              "cost_usd": pytest.approx(COST), "error": None, **wanted}  # fmt: skip
    assert {name: row[name] for name in wanted} == wanted
    assert 0 < row["time_to_first_chunk_ms"] <= row["duration_ms"]


def test_a_chat_of_openais_client(server: Server, openai: OpenAI) -> None:
    answer = openai.chat.completions.create(model="tiny", messages=QUESTION)
    assert answer.choices[0].message.content == ANSWER
    check(newest(server), provider="openai", path="/chat/completions", upstream="llm", stream=False)


@pytest.mark.parametrize("with_usage", [True, False])
def test_a_streamed_chat_comes_word_by_word_and_its_options_are_left_alone(
    server: Server, openai: OpenAI, with_usage: bool
) -> None:
    options: Any = {"stream_options": {"include_usage": True}} if with_usage else {}
    words, first_row = [], None
    for chunk in openai.chat.completions.create(model="tiny", messages=QUESTION, stream=True, **options):
        first_row = first_row or newest(server)
        words += [choice.delta.content or "" for choice in chunk.choices]
    assert "".join(words) == ANSWER
    assert first_row is not None
    assert (first_row["status"], first_row["duration_ms"], first_row["stream"]) == ("streaming", None, True)
    known = {} if with_usage else {"input_tokens": None, "output_tokens": None, "cached_tokens": None, "cost_usd": None}
    check(newest(server), provider="openai", stream=True, **known)
    assert newest(server)["duration_ms"] > 17 * 20


def test_responses_of_openais_client(server: Server, openai: OpenAI) -> None:
    assert openai.responses.create(model="tiny", input="What does the gradient do tonight ?").output_text == ANSWER
    check(newest(server), provider="openai", path="/responses", stream=False)
    events = list(openai.responses.create(model="tiny", input="What does the gradient do tonight ?", stream=True))
    assert events[-1].type == "response.completed"
    check(newest(server), provider="openai", path="/responses", stream=True)


def test_embeddings_of_openais_client(server: Server, openai: OpenAI) -> None:
    answer = openai.embeddings.create(model="tiny", input=["one two", "three"])
    assert len(answer.data) == 2
    nothing = {"output_tokens": None, "cached_tokens": None, "response_model": "tiny"}
    check(newest(server), operation="embeddings", input_tokens=3, cost_usd=pytest.approx(3e-6), **nothing)


def test_messages_of_anthropics_client(server: Server, anthropic: Anthropic) -> None:
    answer = anthropic.messages.create(model="tiny", max_tokens=1000, messages=QUESTION)
    assert answer.content[0].text.startswith(ANSWER)  # type: ignore[union-attr]
    assert newest(server)["output_tokens"] == 1000


def test_streamed_messages_of_anthropics_client(server: Server, anthropic: Anthropic) -> None:
    with anthropic.messages.stream(model="tiny", max_tokens=17, messages=QUESTION) as stream:
        assert "".join(stream.text_stream) == ANSWER
    check(newest(server), provider="anthropic", path="/v1/messages", stream=True)


def test_errors_come_as_the_clients_know_them(server: Server, openai: OpenAI, anthropic: Anthropic) -> None:
    with pytest.raises(OpenAINotFound, match="The model `missing` does not exist"):
        openai.chat.completions.create(model="missing", messages=QUESTION)
    row = newest(server)
    assert (row["status"], row["http_status"], row["error"]) == ("error", 404, "The model `missing` does not exist")
    with pytest.raises(NotFoundError):
        anthropic.messages.create(model="missing", max_tokens=9, messages=QUESTION)
    with pytest.raises(AnthropicRateLimit, match="try again later"):
        anthropic.messages.create(model="busy", max_tokens=9, messages=QUESTION)


def test_a_callers_own_key_goes_through_and_is_masked_in_the_log(server: Server) -> None:
    """The login is in the query, so that the header is free for the vendor's key."""
    wrong = "sk-a-wrong-key-of-the-tests"
    for key in KEY, wrong:
        client = OpenAI(base_url=f"{server.url}logstream/proxy/open", api_key=key, default_query={"token": TOKEN})
        text = "" if key == KEY else f"Incorrect API key provided: {wrong}"
        with pytest.raises(AuthenticationError, match=text) if text else nullcontext():
            client.chat.completions.create(model="tiny", messages=QUESTION)
        row = newest(server)
        assert key not in json.dumps(server.get(f"requests/{row['id']}"))
    assert (row["status"], row["http_status"], row["error"]) == ("error", 401, "Incorrect API key provided: ***")


def test_a_stream_that_breaks_off_is_an_error_to_the_client_and_interrupted(server: Server, openai: OpenAI) -> None:
    chunks = openai.chat.completions.create(model="broken", messages=QUESTION, stream=True)
    assert len([next(chunks) for _ in range(4)]) == 4
    with pytest.raises(APIConnectionError):
        next(chunks)
    row = newest(server)
    assert row["status"] == "interrupted"
    assert row["error"].startswith("incomplete")


def test_a_client_that_leaves_its_stream_cancels_it(server: Server, openai: OpenAI) -> None:
    stream = openai.chat.completions.create(model="tiny", messages=QUESTION, stream=True, max_tokens=2000)
    next(iter(stream))
    stream.close()
    for _ in range(100):
        row = newest(server)
        if row["status"] != "streaming":
            break
    assert row["status"] == "cancelled"
    assert row["response_bytes"] < 20_000


def test_curl_gets_each_event_as_it_comes(server: Server) -> None:
    url = f"{server.url}logstream/proxy/llm/chat/completions?token={TOKEN}"
    body = json.dumps({"model": "tiny", "messages": QUESTION, "stream": True})
    options = ["-sN", "-H", "Content-Type: application/json", "-d", body]
    done = subprocess.run(["curl", *options, url], capture_output=True, text=True, timeout=30, check=True)
    events = [line for line in done.stdout.split("\n") if line]
    assert len(events) == 19
    assert events[-1] == "data: [DONE]"
    check(newest(server), input_tokens=None, output_tokens=None, cached_tokens=None, cost_usd=None)
