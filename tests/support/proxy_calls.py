"""Calls through the proxy, and their rows in the request log. Test support."""

from __future__ import annotations

import asyncio
from typing import Any

from support.waiting import eventually


async def row(site: Any, number: int = 0) -> dict[str, Any]:
    """Wait until a call has ended and return its row of the request log, newest first."""

    async def ended() -> Any:
        rows = (await site.get("v1/requests"))["requests"]
        return rows[number] if len(rows) > number and rows[number]["status"] not in {"pending", "streaming"} else None

    found: dict[str, Any] = await eventually(ended)
    return found


async def send_request(
    site: Any, path: str, body: bytes = b"", **headers: str
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Send a POST without waiting for the response; `_` in a header name stands for `-`."""
    fields = {"Host": f"127.0.0.1:{site.port}", **site.headers, **{k.replace("_", "-"): v for k, v in headers.items()}}
    head = f"POST {site.base_url}logstream/{path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in fields.items())
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(head.encode() + b"\r\n" + body)
    return reader, writer


async def record(site: Any, **fields: Any) -> str:
    answer = await site.request("POST", "v1/requests", json=fields)
    assert answer.status == 201, answer.body
    return str(answer.json["id"])
