"""A client that is logged in by cookie, as a browser is. Test support."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from support.web import Site


async def browser(site: Site) -> Site:
    """A client that is logged in by cookie, as a browser is."""
    token = site.headers["Authorization"].split()[1]
    cookies = await raw_cookies(site, f"{site.base_url}login?token={token}")
    return site.with_headers(Cookie="; ".join([*cookies, *await raw_cookies(site, f"{site.base_url}login")]))


async def raw_cookies(site: Site, path: str) -> list[str]:
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{site.port}\r\nConnection: close\r\n\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    writer.close()
    lines = [line.partition(":") for line in head.split("\r\n")]
    return [value.split(";")[0].strip() for name, _, value in lines if name.lower() == "set-cookie"]
