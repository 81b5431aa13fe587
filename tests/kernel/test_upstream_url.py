"""The kernel's way to other services, as a notebook takes it: a real server, a real kernel, a real LLM service."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from support.paths import NOTEBOOKS
from support.serving import Kernel, Server, jupyter

LLM_SERVER = NOTEBOOKS / "llm_server.py"
KEY = "sk-a-vendors-key-of-the-tests"
REQUEST = "{'model': 'tiny', 'messages': [{'role': 'user', 'content': 'one two three'}], 'max_tokens': 4}"


@pytest.fixture(scope="module")
def llm() -> Iterator[str]:
    command = [sys.executable, "-u", str(LLM_SERVER), "--key", KEY, "--pause", "0.01"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    yield process.stdout.readline().split()[-1]
    process.terminate()
    process.wait(10)


@pytest.fixture(scope="module")
def server(llm: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    upstreams = {
        "llm": {"url": llm, "headers": {"Authorization": f"Bearer {KEY}"}},
        "shut": {"url": llm, "kernel": False},
    }
    options = (f"--LogStream.upstreams={upstreams!r}",)
    with jupyter(tmp_path_factory.mktemp("server"), base_url="/user/x/", auth="password", options=options) as made:
        yield made


@pytest.fixture(scope="module")
def kernel(server: Server) -> Iterator[Kernel]:
    with server.kernel() as made:
        made.run("from jupyter_logstream import proxy_url, request_log, record_requests")
        yield made


def rows(server: Server, **filters: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = server.get("requests", **filters)["requests"]
    return found


def test_an_sdk_needs_only_the_address_and_its_key(server: Server, kernel: Kernel) -> None:
    text = kernel.run(
        "from openai import OpenAI\n"
        "url = proxy_url('llm')\n"
        "client = OpenAI(base_url=url, api_key=url.api_key, default_headers=url.headers)\n"
        f"print(client.chat.completions.create(**{REQUEST}).choices[0].message.content)",
        cell="cell-one",
    )
    assert text.strip() == "The gradient descends quietly"
    row = rows(server)[0]
    assert (row["upstream"], row["status"], row["input_tokens"], row["output_tokens"]) == ("llm", "completed", 3, 4)
    assert row["session"] == kernel.name
    assert (row["cell"], row["workload_id"]) == ("cell-one", None)
    kernel.run(f"client.chat.completions.create(**{REQUEST})", cell="cell-two")
    assert rows(server)[0]["cell"] == "cell-two"


def test_key_identifies_the_caller_and_grants_nothing_else(server: Server, kernel: Kernel) -> None:
    kernel.run(f"OpenAI(base_url=proxy_url('llm'), api_key=url.api_key).chat.completions.create(**{REQUEST})", cell="c")
    row = rows(server)[0]
    assert row["session"] == kernel.name
    assert row["cell"] is None
    key = kernel.json("url.api_key")
    for path in "api/contents", "logstream/v1/info":
        assert httpx.get(f"{server.url}{path}", headers={"Authorization": f"Bearer {key}"}).status_code in {302, 403}
    assert KEY not in kernel.run("import os; print(dict(os.environ), url, url.api_key, url.headers, repr(url))")


def test_a_workload_calls_as_itself(server: Server, kernel: Kernel) -> None:
    code = (
        "import httpx; from jupyter_logstream import proxy_url; u = proxy_url('llm', '/chat/completions'); "
        f"print(httpx.post(u, json={REQUEST}, headers={{'Authorization': 'Bearer ' + u.api_key}}).json()['usage'])"
    )
    command = f"import sys\nfrom jupyter_logstream import run\nw = run([sys.executable, '-c', {code!r}]).wait(60)"
    workload = kernel.run(f"{command}\nprint(w.id, w.state)")
    workload_id, state = workload.split()
    assert state == "succeeded"
    assert rows(server)[0]["workload_id"] == workload_id


def test_unknown_upstream_is_reported_with_the_known_ones(kernel: Kernel) -> None:
    with pytest.raises(AssertionError, match="no upstream 'llmm'; it has llm, shut"):
        kernel.run("proxy_url('llmm')")
    with pytest.raises(AssertionError, match="not available to kernels"):
        kernel.run(
            "import httpx; u = proxy_url('shut'); r = httpx.get(u, headers={'x-api-key': u.api_key}); assert 0, r.text"
        )


def test_the_log_is_a_list_and_a_data_frame(kernel: Kernel, server: Server) -> None:
    while len(rows(server)) < 3:
        kernel.run(f"client.chat.completions.create(**{REQUEST})")
    assert kernel.json("[row['id'] for row in request_log(2)]") == [row["id"] for row in rows(server, limit=2)]
    assert kernel.json("len(request_log(provider='openai', status='completed', q='chat'))") >= 3
    assert kernel.json("request_log(q='nothing has this in it')") == []
    assert kernel.json("[str(request_log(2).df().initial_time.dtype), len(request_log(2).df())]")[1] == 2
    with pytest.raises(AssertionError, match="status must be one of"):
        kernel.run("request_log(status='odd')")


RECORDED = """
import httpx
client = record_requests(httpx.Client(base_url={llm!r}, headers={{"Authorization": "Bearer {key}"}}, trust_env=False))
body = {body}
"""


@pytest.fixture
def recorded(kernel: Kernel, llm: str, server: Server) -> Kernel:
    kernel.run(RECORDED.format(llm=llm, key=KEY, body=REQUEST))
    server.http.delete(f"{server.url}logstream/v1/requests")
    return kernel


def settled(kernel: Kernel, server: Server) -> dict[str, Any]:
    kernel.run("from jupyter_logstream.kernel.row_updater import RowUpdater; RowUpdater.wait()")
    return rows(server)[0]


def test_a_client_of_its_own_is_recorded_with_tokens_and_cell(recorded: Kernel, server: Server) -> None:
    recorded.run(
        "record_requests(client)\nprint(client.post('chat/completions', json=body).json()['usage'])", cell="mine"
    )
    row = settled(recorded, server)
    wanted = {"status": "completed", "http_status": 200, "method": "POST", "path": "/v1/chat/completions",
        "model": "tiny",
              "response_model": "tiny-2026-01-01", "operation": "chat", "provider": "openai", "input_tokens": 3,
              "output_tokens": 4, "cached_tokens": 2, "upstream": None, "cell": "mine", "stream": False}  # fmt: skip
    assert {name: row[name] for name in wanted} == wanted
    assert 0 < row["time_to_first_chunk_ms"] <= row["duration_ms"]
    assert row["request_bytes"] > 0
    assert len(rows(server)) == 1
    assert KEY not in json.dumps(server.get(f"requests/{row['id']}"))


@pytest.mark.parametrize("leaves", [False, True])
def test_a_streamed_answer_is_recorded_as_it_is_read(recorded: Kernel, server: Server, leaves: bool) -> None:
    recorded.run(
        "streamed = {**body, 'stream': True, 'stream_options': {'include_usage': True}}\n"
        "with client.stream('POST', 'chat/completions', json=streamed) as response:\n"
        "    for number, line in enumerate(response.iter_lines()):\n"
        f"        if {leaves} and number == 3: break"
    )
    row = settled(recorded, server)
    assert row["stream"] is True
    assert row["status"] == ("cancelled" if leaves else "completed")
    assert row["output_tokens"] == (None if leaves else 4)


def test_failures_are_recorded_and_raised_as_before(recorded: Kernel, server: Server) -> None:
    recorded.run("print(client.post('chat/completions', json={**body, 'model': 'missing'}).status_code)")
    row = settled(recorded, server)
    assert (row["status"], row["http_status"], row["error"]) == ("error", 404, "The model `missing` does not exist")
    with pytest.raises(AssertionError, match="ConnectError"):
        recorded.run("client.get('http://127.0.0.1:1/x')")
    row = settled(recorded, server)
    assert (row["status"], row["http_status"], row["path"]) == ("error", None, "/x")
    with pytest.raises(AssertionError, match="ReadTimeout"):
        recorded.run("client.post('chat/completions', json={**body, 'max_tokens': 999, 'stream': True}, timeout=0.001)")
    assert settled(recorded, server)["status"] == "timeout"


def test_an_sdks_async_client_is_recorded_too(recorded: Kernel, server: Server, llm: str) -> None:
    recorded.run(
        f"from openai import AsyncOpenAI\nsdk = record_requests(AsyncOpenAI(base_url={llm!r}, api_key={KEY!r}))\n"
        "stream = await sdk.chat.completions.create(**body, stream=True)\n"
        "print(''.join([c.choices[0].delta.content or '' async for c in stream]))"
    )
    row = settled(recorded, server)
    assert (row["status"], row["model"], row["stream"]) == ("completed", "tiny", True)


def test_what_is_no_client_is_refused_and_no_server_is_no_hindrance(recorded: Kernel, llm: str) -> None:
    with pytest.raises(AssertionError, match="takes an httpx client"):
        recorded.run("record_requests('https://x')")
    code = (
        "import os; [os.environ.pop(n) for n in list(os.environ) if n.startswith('JUPYTER_LOGSTREAM')]\n"
        "import httpx; from jupyter_logstream import record_requests\n"
        f"print(record_requests(httpx.Client(trust_env=False)).get('{llm}/models').status_code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "200"
    assert done.stderr.count("Calls are not recorded") <= 1
