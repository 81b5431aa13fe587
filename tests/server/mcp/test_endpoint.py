"""The MCP endpoint over HTTP: status codes of both eras, off by default, permissions, a client that leaves."""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from support.assistant import META, MODERN, call, found, post, problem, rpc
from support.hub import CONFIG, people, set_environment
from support.logged_in import browser
from support.waiting import eventually

from jupyter_logstream.server.extension import LogStream
from jupyter_logstream.server.mcp.messages import HANDSHAKE_VERSIONS

if TYPE_CHECKING:
    from support.web import Site

PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}


async def test_endpoint_is_off_by_default_and_the_error_names_the_option(serve: Any) -> None:
    assert (LogStream().mcp, LogStream().mcp_write) == (False, False)
    site = await serve(mcp=False)
    for method in "POST", "GET", "DELETE":
        answer = await site.request(method, "mcp", json=PING)
        assert (answer.status, answer.json["reason"]) == (404, "mcp_off")
        assert "c.LogStream.mcp = True" in answer.json["message"]
    assert (await post(site.with_headers(), PING)).status == 403


async def test_other_methods_than_post_are_405(site: Site) -> None:
    for method in "GET", "DELETE", "PUT":
        answer = await site.request(method, "mcp")
        assert answer.status == 405, method
        assert answer.headers["allow"] == "POST"


async def test_status_codes_of_the_2026_version(site: Site) -> None:
    discovered = (await rpc(site, "server/discover")).json["result"]
    assert discovered["supportedVersions"] == [MODERN, *HANDSHAKE_VERSIONS]
    assert (discovered["resultType"], discovered["cacheScope"]) == ("complete", "private")
    assert (await rpc(site, "no/such")).status == 404
    assert (await rpc(site, "no/such")).json["error"]["code"] == -32601
    for headers, code in ({"Mcp_Method": "tools/list"}, -32020), ({"MCP_Protocol_Version": "2025-06-18"}, -32020):
        answer = await rpc(site, "server/discover", **headers)
        assert (answer.status, answer.json["error"]["code"]) == (400, code)
    meta = {**META, "io.modelcontextprotocol/protocolVersion": "2099-01-01"}
    answer = await rpc(site, "server/discover", {"_meta": meta}, MCP_Protocol_Version="2099-01-01")
    assert (answer.status, answer.json["error"]["code"]) == (400, -32022)
    assert MODERN in answer.json["error"]["data"]["supported"]
    unknown = await rpc(site, "tools/call", {"name": "rm"})
    assert (unknown.status, unknown.json["error"]["code"]) == (400, -32602)


@pytest.mark.parametrize("version", HANDSHAKE_VERSIONS)
async def test_handshake_of_earlier_versions_needs_no_session(site: Site, version: str) -> None:
    params = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    made = await post(site, {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})
    assert made.json["result"]["protocolVersion"] == version
    assert "mcp-session-id" not in made.headers
    initialized = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    accepted = await post(site, initialized, {"MCP-Protocol-Version": version})
    assert (accepted.status, accepted.body) == (202, b"")
    assert (await post(site, PING, {"MCP-Protocol-Version": version})).json["result"] == {}
    unknown = await post(site, {**PING, "method": "no/such"}, {"MCP-Protocol-Version": version})
    assert (unknown.status, unknown.json["error"]["code"]) == (200, -32601)


async def test_client_of_an_unknown_version_is_offered_the_newest_with_a_handshake(site: Site) -> None:
    made = await post(site, {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"protocolVersion": "1.0"}})
    assert made.json["result"]["protocolVersion"] == HANDSHAKE_VERSIONS[0]


async def test_bad_bodies_are_json_rpc_errors_with_the_id_where_it_is_known(site: Site) -> None:
    for body, code, message_id in [
        (b"{", -32700, None),
        (b"\xff", -32700, None),
        (b'{"jsonrpc": "2.0", "id": 1e999, "method": "ping"}', -32700, None),
        (b"[" * 200 + b"]" * 200, -32700, None),
        (b"[]", -32600, None),
        (b'{"id": "x", "method": "ping"}', -32600, "x"),
        (b'{"jsonrpc": "2.0", "id": false, "method": "ping"}', -32600, None),
    ]:
        answer = await post(site, body)
        assert (answer.status, answer.json["error"]["code"], answer.json["id"]) == (400, code, message_id), body
    assert (await post(site, b"ping", {"Content-Type": "text/plain"})).status == 415


async def test_cookie_needs_the_xsrf_token_and_a_token_header_does_not(site: Site) -> None:
    user = await browser(site)
    assert (await post(user, PING)).status == 403
    xsrf = re.search(r"_xsrf=([^;]+)", user.headers["Cookie"])
    assert xsrf
    assert (await post(user, PING, {"X-XSRFToken": xsrf[1]})).status == 200
    assert (await post(site, PING)).status == 200
    assert (await post(site.with_headers(Authorization=f"Bearer {site.services.secret}"), PING)).status == 200
    for stranger in site.with_headers(), site.with_headers(Authorization="token wrong"):
        refused = await post(stranger, PING)
        assert (refused.status, refused.json["reason"]) == (403, "forbidden")
        assert "Authorization: token" in refused.json["message"]


async def test_page_of_another_origin_is_refused_whatever_it_sends(site: Site) -> None:
    """The protocol requires it of every request (DNS rebinding); Jupyter checks no origin where a token is sent."""
    kernel = site.with_headers(Authorization=f"Bearer {site.services.secret}")
    for client in site, kernel, site.with_headers():
        for origin in "https://evil.example", "http://127.0.0.1:1", "null":
            refused = await post(client, PING, {"Origin": origin})
            assert (refused.status, refused.json["reason"]) == (403, "foreign_origin")
            assert "c.ServerApp.allow_origin" in refused.json["message"]
    for client in site, kernel:
        assert (await post(client, PING, {"Origin": f"http://127.0.0.1:{site.port}"})).status == 200


async def names_of_tools(site: Site) -> set[str]:
    return {tool["name"] for tool in (await rpc(site, "tools/list")).json["result"]["tools"]}


async def test_tools_that_write_are_neither_listed_nor_callable_unless_configured(site: Site) -> None:
    assert not {"start_run", "cancel_run"} & await names_of_tools(site)
    run_id = await site.start("sleep 60")
    await site.state(run_id, "running")
    for tool, given in ("start_run", {"command": "touch x"}), ("cancel_run", {"id": run_id}):
        assert "c.LogStream.mcp_write" in await problem(site, tool, **given)
    assert ((await site.workload(run_id))["state"], (await site.get("v1/info"))["workloads"]) == ("running", 1)
    await site.request("POST", f"v1/workloads/{run_id}/cancel")


async def test_visitors_read_but_cannot_start_or_cancel(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    set_environment(monkeypatch)
    users = people(await serve(CONFIG, mcp_write=True))
    run_id = await users["ann"].start("echo a line; sleep 60")
    await users["ann"].wait_for_line(run_id, "a line")
    for name in "ben", "ann":
        assert ({"start_run", "cancel_run"} <= await names_of_tools(users[name])) == (name == "ann")
        assert (await found(users[name], "tail_log", id=run_id))["lines"][0]["text"] == "a line"
    for tool, given in ("start_run", {"command": "true"}), ("cancel_run", {"id": run_id}):
        assert "not available" in await problem(users["ben"], tool, **given)
    assert (await rpc(users["eve"], "tools/list")).status == 403
    assert (await users["ann"].get("v1/info"))["workloads"] == 1
    assert (await found(users["ann"], "cancel_run", id=run_id))["cancelling"]


async def open_call(site: Site, tool: str, **arguments: Any) -> asyncio.StreamWriter:
    """The connection of a client that has sent a call and reads no reply."""
    body = json.dumps({**PING, "method": "tools/call", "params": {"name": tool, "arguments": arguments}})
    head = f"POST {site.base_url}logstream/mcp HTTP/1.1\r\nHost: 127.0.0.1:{site.port}\r\n"
    head += f"Authorization: {site.headers['Authorization']}\r\nContent-Type: application/json\r\n"
    _, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
    return writer


async def test_wait_ends_when_its_client_disconnects_and_holds_no_thread(site: Site) -> None:
    run_id = await site.start("sleep 60")
    clients = [await open_call(site, "wait_for_run", id=run_id, until="never", seconds=45) for _ in range(30)]
    await eventually(lambda: len(site.services.open_calls) == len(clients))
    await eventually(lambda: not site.services.search_pool._open)  # 30 waits, and no search runs
    for writer in clients:
        writer.close()
    await eventually(lambda: not site.services.open_calls)
    await site.request("POST", f"v1/workloads/{run_id}/cancel")


async def test_start_is_made_whole_when_its_client_disconnects(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    site = await serve(mcp_write=True)
    lifecycle, may_launch = site.services.engine._lifecycle, asyncio.Event()
    launch = lifecycle.launch

    async def launch_later(*given: Any) -> None:
        await may_launch.wait()
        await launch(*given)

    monkeypatch.setattr(lifecycle, "launch", launch_later)
    writer = await open_call(site, "start_run", command="echo whole", key="k")
    await eventually(lambda: len(site.services.engine) == 1)
    writer.close()
    await eventually(lambda: not site.services.open_calls)
    may_launch.set()
    (run,) = (await found(site, "list_runs"))["runs"]
    assert (await site.state(run["id"]))["state"] == "succeeded"


async def test_waiting_clients_delay_no_other_request(site: Site) -> None:
    run_id = await site.start("cat", stdin=True)
    waits = [asyncio.create_task(call(site, "wait_for_run", id=run_id, until="hello")) for _ in range(40)]
    await eventually(lambda: len(site.services.open_calls) == len(waits))
    assert (await found(site, "list_runs"))["states"] == {"running": 1}
    await site.request("POST", f"v1/workloads/{run_id}/input?eof=1", b"hello\n", {"Content-Type": "text/plain"})
    for result in await asyncio.gather(*waits):
        reply = result["structuredContent"]
        assert (reply["matched_seq"] is not None, reply["timed_out"]) == (True, False)


async def test_server_that_stops_ends_open_waits(serve: Any) -> None:
    site = await serve()
    run_id = await site.start("sleep 60")
    wait = asyncio.create_task(call(site, "wait_for_run", id=run_id, seconds=45))
    await eventually(lambda: len(site.services.open_calls) == 1)
    await site.request("POST", f"v1/workloads/{run_id}/cancel")
    await wait
    other = await site.start("sleep 60")
    wait = asyncio.create_task(call(site, "wait_for_run", id=other, seconds=45))
    await eventually(lambda: len(site.services.open_calls) == 1)
    await site.stop()
    with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
        await wait
