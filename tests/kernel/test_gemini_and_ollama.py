"""The clients google-genai, ollama and httpx through the proxy, against services that speak their forms."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import ollama
import pytest
from google import genai
from google.genai import types
from support.llm_services import KEY, WORDS, Services, services
from support.serving import TOKEN, Server, jupyter

ANSWER = "".join(WORDS)
PRICES = {"gemini*": {"input": 1.0, "cached": 0.5, "output": 10.0}, "q:7b": {"input": 0, "output": 0}}


@pytest.fixture(scope="module")
def llm() -> Iterator[Services]:
    with services() as made:
        yield made


@pytest.fixture(scope="module")
def server(llm: Services, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    upstreams = {
        "gemini": {"url": llm.url, "headers": {"x-goog-api-key": KEY}, "prices": PRICES},
        "ollama": {"url": f"{llm.url}/api", "prices": PRICES},
        "local": {"url": llm.url, "prices": PRICES},
    }
    with jupyter(tmp_path_factory.mktemp("server"), options=(f"--LogStream.upstreams={upstreams!r}",)) as made:
        yield made


def secret(server: Server) -> str:
    (address,) = (server.folder / "data").glob("logstream/*/server.json")
    found: str = json.loads(address.read_text())["secret"]
    return found


@pytest.fixture
def gemini(server: Server) -> genai.Client:
    options = types.HttpOptions(base_url=f"{server.url}logstream/proxy/gemini")
    return genai.Client(api_key=secret(server), http_options=options)


@pytest.fixture
def local(server: Server) -> ollama.Client:
    return ollama.Client(f"{server.url}logstream/proxy/local", headers={"Authorization": f"Bearer {secret(server)}"})


def ended(server: Server) -> dict[str, Any]:
    """The newest row, when its call has ended."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        row: dict[str, Any] = server.get("requests", limit=1)["requests"][0]
        if row["status"] not in {"pending", "streaming"}:
            return row
        time.sleep(0.05)
    raise AssertionError(row)


def check(row: dict[str, Any], **expected: Any) -> None:
    expected = {"status": "completed", "http_status": 200, "error": None, **expected}
    assert {name: row[name] for name in expected} == expected
    assert 0 < row["time_to_first_chunk_ms"] <= row["duration_ms"]


GEMINI = {
    "provider": "gcp.gemini", "operation": "generate_content", "model": "gemini-2.5-flash",
    "response_model": "gemini-2.5-flash-001", "input_tokens": 12, "output_tokens": 25, "cached_tokens": 8,
    "reasoning_tokens": 20, "cost_usd": pytest.approx((4 * 1 + 8 * 0.5 + 25 * 10) / 1e6),
}  # fmt: skip


def test_answer_to_geminis_client(server: Server, llm: Services, gemini: genai.Client) -> None:
    answer = gemini.models.generate_content(model="gemini-2.5-flash", contents="What does the gradient do?")
    assert answer.text == ANSWER
    check(ended(server), **GEMINI, stream=False, finish_reason="MAX_TOKENS")
    assert llm.keys[-1] == KEY  # never the kernels' secret


def test_stream_to_geminis_client_comes_word_by_word(server: Server, llm: Services, gemini: genai.Client) -> None:
    """The service sends a part when the client has the one before."""
    words = []
    llm.begin_steps()
    for part in gemini.models.generate_content_stream(model="stepped-gemini", contents="What does the gradient do?"):
        words.append(part.text or "")
        llm.step()
    assert "".join(words) == ANSWER
    assert llm.seen[-1].endswith("?alt=sse")
    check(ended(server), **{**GEMINI, "model": "stepped-gemini", "response_model": "stepped-gemini-001",
                            "cost_usd": None}, stream=True, finish_reason="STOP")  # fmt: skip


def test_stream_to_geminis_async_client(server: Server, gemini: genai.Client) -> None:
    async def read() -> str:
        parts = await gemini.aio.models.generate_content_stream(model="gemini-2.5-flash", contents="What?")
        return "".join([part.text or "" async for part in parts])

    assert asyncio.run(read()) == ANSWER
    check(ended(server), **GEMINI, stream=True, finish_reason="STOP")


def test_error_in_the_middle_of_geminis_stream(server: Server, gemini: genai.Client) -> None:
    with pytest.raises(genai.errors.ServerError, match="overloaded"):
        list(gemini.models.generate_content_stream(model="failing", contents="What?"))
    row = ended(server)
    assert (row["status"], row["http_status"], row["error"]) == ("error", 200, "The model is overloaded.")
    assert (row["output_tokens"], row["cost_usd"]) == (None, None)


@pytest.mark.parametrize("model", ["gemini-2.5-flash", "failing"])
def test_geminis_stream_as_an_array(server: Server, model: str) -> None:
    url = f"{server.url}logstream/proxy/gemini/v1beta/models/{model}:streamGenerateContent"
    answer = server.http.post(url, json={"contents": []})
    assert len(answer.json()) == len(WORDS) + 1
    if model == "failing":
        assert (ended(server)["status"], ended(server)["error"]) == ("error", "The model is overloaded.")
    else:
        check(ended(server), **GEMINI, stream=True, finish_reason="STOP")


def test_embeddings_of_geminis_client(server: Server, gemini: genai.Client) -> None:
    gemini.models.embed_content(model="gemini-embedding-001", contents="one two")
    check(ended(server), operation="embeddings", model="gemini-embedding-001", output_tokens=None, stream=False)


OLLAMA = {"provider": "ollama", "model": "q:7b", "response_model": "q:7b", "input_tokens": 33, "output_tokens": 12,
          "cost_usd": 0, "finish_reason": "length"}  # fmt: skip


def test_chat_of_ollamas_client(server: Server, local: ollama.Client) -> None:
    local.chat("q:7b", messages=[{"role": "user", "content": "What?"}])
    check(ended(server), **OLLAMA, operation="chat", stream=False)
    assert "".join(part.message.content or "" for part in local.chat("q:7b", stream=True)) == ANSWER
    check(ended(server), **OLLAMA, operation="chat", stream=True)


def test_stream_to_ollamas_client_comes_line_by_line(server: Server, llm: Services, local: ollama.Client) -> None:
    """The newline of a line is sent with it; the last line has none."""
    words = []
    llm.begin_steps()
    for part in local.generate("stepped", prompt="What?", stream=True):
        words.append(part.response)
        llm.step()
    assert "".join(words) == ANSWER
    check(ended(server), operation="text_completion", stream=True, input_tokens=33, output_tokens=12)


def test_embeddings_of_ollamas_client(server: Server, local: ollama.Client) -> None:
    local.embed("q:7b", input="one two")
    check(ended(server), operation="embeddings", input_tokens=4, output_tokens=None, cost_usd=0)


def test_error_in_the_middle_of_ollamas_stream(server: Server, local: ollama.Client) -> None:
    with pytest.raises(ollama.ResponseError, match="model runner stopped"):
        list(local.chat("failing", stream=True))
    row = ended(server)
    assert (row["status"], row["http_status"], row["error"]) == ("error", 200, "model runner stopped")


def test_path_of_the_upstreams_address_counts_for_the_kind_of_call(server: Server) -> None:
    answer = server.http.post(f"{server.url}logstream/proxy/ollama/chat", json={"model": "q:7b", "stream": False})
    assert answer.json()["done"] is True
    check(ended(server), **OLLAMA, operation="chat")


def test_client_that_leaves_ollamas_stream_has_no_output_count(
    server: Server, llm: Services, local: ollama.Client
) -> None:
    llm.begin_steps()
    parts = local.chat("stepped", stream=True)
    assert next(parts).message.content == WORDS[0]
    parts.close()
    row = ended(server)
    assert (row["status"], row["output_tokens"], row["cost_usd"]) == ("cancelled", None, None)


@pytest.mark.parametrize("coding", ["gzip", "br"])
def test_compressed_events_reach_httpx_one_by_one_and_their_tokens_are_read(
    server: Server, llm: Services, coding: str
) -> None:
    """The service compresses each event so that it can be decoded at once, and sends it when the one before is here."""
    url = f"{server.url}logstream/proxy/local/v1/chat/completions"
    headers = {"Accept-Encoding": coding, "Authorization": f"token {TOKEN}"}
    events = []
    llm.begin_steps()
    with httpx.stream("POST", url, json={"model": "stepped", "stream": True}, headers=headers, timeout=60) as answer:
        assert answer.headers["content-encoding"] == coding
        assert "content-length" not in answer.headers
        for line in answer.iter_lines():
            if line:
                events.append(line)
                llm.step()
    assert len(events) == len(WORDS) + 2
    check(ended(server), input_tokens=9, output_tokens=5, response_model="m-1", stream=True)


IN_A_KERNEL = """
import ollama
from google import genai
from jupyter_logstream import proxy_url, record_requests
from jupyter_logstream.kernel.row_updater import RowUpdater
url = proxy_url("gemini")
"""


def test_calls_of_a_kernel_are_rows_through_the_proxy_and_recorded(server: Server, llm: Services) -> None:
    with server.kernel() as kernel:
        kernel.run(IN_A_KERNEL)
        call = "client.models.generate_content(model='gemini-2.5-flash', contents='What?')"
        kernel.run(f"client = genai.Client(api_key=url.api_key, http_options={{'base_url': str(url)}}); {call}")
        row = ended(server)
        check(row, **GEMINI, upstream="gemini", session=kernel.name)
        kernel.run(
            f"client = record_requests(genai.Client(api_key='k', http_options={{'base_url': {llm.url!r}}})); {call}\n"
            "RowUpdater.wait()"
        )
        row = ended(server)
        check(row, **{**GEMINI, "cost_usd": row["cost_usd"]}, upstream=None, session=kernel.name)
        assert row["cost_usd"] > 0  # by list price
        kernel.run(f"list(record_requests(ollama.Client({llm.url!r})).chat('q:7b', stream=True))\nRowUpdater.wait()")
        check(ended(server), **{**OLLAMA, "cost_usd": None}, upstream=None, stream=True, session=kernel.name)
