"""Assistants: the official MCP client of a real server, and bare JSON-RPC requests. Test support."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from itertools import count
from typing import TYPE_CHECKING, Any

import httpx2
import jsonschema
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from jupyter_logstream.server.mcp.tools import TOOLS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.web import Answer, Site

MAX_REPLY_BYTES = 20_000
MODERN, LEGACY = "2026-07-28", "2025-11-25"
META = {"io.modelcontextprotocol/protocolVersion": MODERN, "io.modelcontextprotocol/clientCapabilities": {}}
_ids = count(1)


@asynccontextmanager
async def assistant(url: str, token: str, mode: str = "auto") -> AsyncIterator[Client]:
    """The official client; `mode`: "auto" finds the newest version, "legacy" begins with a handshake."""
    headers = {"Authorization": f"token {token}"}
    async with (
        httpx2.AsyncClient(headers=headers, trust_env=False, timeout=60) as http,
        Client(streamable_http_client(f"{url}logstream/mcp", http_client=http), mode=mode) as client,
    ):
        yield client


async def rpc(site: Site, method: str, params: dict[str, Any] | None = None, **headers: str) -> Answer:
    """Send one request as clients of the newest version do; `headers` replace those that repeat the body."""
    body = {"jsonrpc": "2.0", "id": next(_ids), "method": method, "params": {"_meta": META, **(params or {})}}
    name = body["params"].get("name") or body["params"].get("uri")
    known = {"MCP-Protocol-Version": MODERN, "Mcp-Method": method, **({"Mcp-Name": name} if name else {})}
    known |= {key.replace("_", "-"): value for key, value in headers.items()}
    return await post(site, body, known)


async def post(site: Site, body: Any, headers: dict[str, str] | None = None) -> Answer:
    """Send a body as it is."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await site.request("POST", "mcp", data, {"Content-Type": "application/json", **(headers or {})})


async def call(site: Site, tool: str, **arguments: Any) -> dict[str, Any]:
    """The result of a tool, whose size, forms and schema are checked."""
    answer = await rpc(site, "tools/call", {"name": tool, "arguments": arguments})
    assert answer.status == 200, answer.body
    result = checked(answer)
    if not result.get("isError"):
        jsonschema.validate(result["structuredContent"], TOOLS[tool].output_schema)
    return result


def checked(answer: Answer) -> dict[str, Any]:
    """The result in a reply: within its bound, in both forms, and with what was left out."""
    assert len(answer.body) <= MAX_REPLY_BYTES
    result: dict[str, Any] = answer.json["result"]
    if result.get("isError"):
        return result
    found = result["structuredContent"]
    assert {"next_after", "truncated", "omitted"} <= set(found)
    assert [part["type"] for part in result["content"]] == ["text"]
    return result


async def found(site: Site, tool: str, **arguments: Any) -> dict[str, Any]:
    """The structured reply of a tool that succeeds."""
    result = await call(site, tool, **arguments)
    assert not result.get("isError"), result
    structured: dict[str, Any] = result["structuredContent"]
    return structured


async def problem(site: Site, tool: str, **arguments: Any) -> str:
    """The text of a tool's error."""
    result = await call(site, tool, **arguments)
    assert result.get("isError"), result
    return str(result["content"][0]["text"])


def texts(structured: dict[str, Any], section: str = "lines") -> list[str]:
    """The texts of the lines in a reply."""
    return [row["text"] for row in structured[section]]
