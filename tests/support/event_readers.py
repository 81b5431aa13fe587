"""Readers of event streams. Test support."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from support.waiting import eventually

if TYPE_CHECKING:
    from support.web import Site, Stream


SINGLE = "v1/logs/stream?scope=job&job_id="


async def no_open_streams(site: Site) -> None:
    """Wait until the server has no stream open."""

    async def none() -> bool:
        info = await site.get("v1/info")
        return bool(info["connections"] == info["open_streams"] == 0)

    await eventually(none)


def cursors(stream: Stream) -> list[Any]:
    return [json.loads(e.data).get("cursor") for e in stream.events if e.type == "logs"]


def every_way_to_read(workload_id: str) -> list[tuple[str, Callable[[Site], Awaitable[Stream]]]]:
    """Every route that reads one workload as frames: its name, and a function that opens it."""
    name = f"workload/{workload_id}"
    return [
        ("single", lambda site: site.stream(f"{SINGLE}{workload_id}&after=0")),
        ("get", lambda site: site.stream(f"v1/events?stream={name}")),
        ("post", lambda site: site.stream("v1/events", "POST", json={"streams": [{"stream": name}]})),
    ]
