"""Messages of the Model Context Protocol as values: both eras, headers that repeat the body, error codes."""

from __future__ import annotations

from typing import Any

import pytest
from support.assistant import META, MODERN

from jupyter_logstream.server.mcp import messages
from jupyter_logstream.server.mcp.messages import HANDSHAKE_VERSIONS, Message, RpcError, read_message

VERSION = {"MCP-Protocol-Version": MODERN}
CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "tail_log", "_meta": META}}
CALL_HEADERS = {**VERSION, "Mcp-Method": "tools/call", "Mcp-Name": "tail_log"}


def request(method: str, meta: Any = META, **changes: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 7, "method": method, "params": {"_meta": meta}, **changes}


def error(body: Any, headers: dict[str, str]) -> RpcError:
    with pytest.raises(RpcError) as found:
        read_message(body, headers)
    return found.value


@pytest.mark.parametrize("version", [None, *HANDSHAKE_VERSIONS])
def test_request_of_an_earlier_version_needs_no_other_header(version: str | None) -> None:
    headers = {} if version is None else {"MCP-Protocol-Version": version}
    body = {"jsonrpc": "2.0", "id": "a", "method": "tools/list"}
    assert read_message(body, headers) == Message("tools/list", "a")


def test_request_since_2026_is_accepted_if_headers_equal_the_body() -> None:
    read = read_message(CALL, CALL_HEADERS)
    assert (read.method, read.id, read.is_modern) == ("tools/call", 1, True)
    assert read_message(request("server/discover"), {**VERSION, "Mcp-Method": "server/discover"}).is_modern


@pytest.mark.parametrize(
    "changed",
    [
        {"Mcp-Method": "tools/list"},
        {"Mcp-Method": None},
        {"Mcp-Name": "cancel_run"},
        {"Mcp-Name": None},
        {"Mcp-Name": "=?base64?***?="},
        {"Mcp-Name": "=?base64?/w==?="},
        {"MCP-Protocol-Version": "2025-11-25"},
        {"MCP-Protocol-Version": None},
        {"MCP-Protocol-Version": "1999-01-01"},
    ],
)
def test_header_that_differs_from_the_body_is_a_mismatch(changed: dict[str, str | None]) -> None:
    headers = {name: value for name, value in {**CALL_HEADERS, **changed}.items() if value is not None}
    found = error(CALL, headers)
    assert (found.code, found.is_modern) == (messages.HEADER_MISMATCH, True)
    assert next(iter(changed)) in found.message


def test_name_in_base64_equals_the_name_of_the_body() -> None:
    body = {**CALL, "params": {"name": "é", "_meta": META}}
    assert read_message(body, {**CALL_HEADERS, "Mcp-Name": "=?base64?w6k=?="}).params["name"] == "é"


def test_unsupported_version_names_the_supported_ones() -> None:
    meta = {**META, "io.modelcontextprotocol/protocolVersion": "2099-01-01"}
    headers = {"MCP-Protocol-Version": "2099-01-01", "Mcp-Method": "server/discover"}
    for found in error(request("server/discover", meta), headers), error(request("ping", None), headers):
        assert found.code == messages.UNSUPPORTED_VERSION
        assert found.data == {"supported": [MODERN, *HANDSHAKE_VERSIONS], "requested": "2099-01-01"}


@pytest.mark.parametrize("meta", [None, [], {}, {"io.modelcontextprotocol/protocolVersion": MODERN}])
def test_request_since_2026_needs_version_and_capabilities_in_its_meta(meta: Any) -> None:
    found = error(request("tools/list", meta), {**VERSION, "Mcp-Method": "tools/list"})
    assert found.code == messages.INVALID_PARAMS
    assert "_meta" in found.message


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ([CALL], messages.INVALID_REQUEST),
        ("text", messages.INVALID_REQUEST),
        (None, messages.INVALID_REQUEST),
        ({"id": 1, "method": "ping"}, messages.INVALID_REQUEST),
        ({"jsonrpc": "1.0", "id": 1, "method": "ping"}, messages.INVALID_REQUEST),
        ({"jsonrpc": "2.0", "id": 1}, messages.INVALID_REQUEST),
        ({"jsonrpc": "2.0", "id": 1, "method": 5}, messages.INVALID_REQUEST),
        ({"jsonrpc": "2.0", "id": None, "method": "ping"}, messages.INVALID_REQUEST),
        ({"jsonrpc": "2.0", "id": True, "method": "ping"}, messages.INVALID_REQUEST),
        ({"jsonrpc": "2.0", "id": 1.5, "method": "ping"}, messages.INVALID_REQUEST),
        ({"jsonrpc": "2.0", "id": {}, "method": "ping"}, messages.INVALID_REQUEST),
        ({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": []}, messages.INVALID_PARAMS),
    ],
)
def test_what_is_no_message_is_refused(body: Any, code: int) -> None:
    assert error(body, {}).code == code


def test_notifications_and_responses_of_clients_are_recognised() -> None:
    assert read_message({"jsonrpc": "2.0", "method": "notifications/initialized"}, {}).id is None
    assert read_message({"jsonrpc": "2.0", "id": 4, "result": {}}, {}) == Message("")
    cancelled = {"jsonrpc": "2.0", "method": "notifications/cancelled"}
    assert read_message(cancelled, VERSION).id is None
    assert error(cancelled, {"MCP-Protocol-Version": "2099-01-01"}).code == messages.UNSUPPORTED_VERSION
