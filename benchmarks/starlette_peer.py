"""The peer from the ASGI world: sse-starlette on uvicorn, one event per line of its child.

python starlette_peer.py PORT; then `GET /?rate=R&seconds=S` streams `ticks.py R S`.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import uvicorn
from sse_starlette import EventSourceResponse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route


async def lines(rate: str, seconds: str) -> AsyncIterator[dict[str, str]]:
    """One event per line."""
    ticks = str(Path(__file__).with_name("ticks.py"))
    child = await asyncio.create_subprocess_exec(sys.executable, ticks, rate, seconds, stdout=asyncio.subprocess.PIPE)
    assert child.stdout is not None
    async for line in child.stdout:
        yield {"data": line.decode().rstrip("\n")}
    yield {"event": "done", "data": "{}"}


async def stream(request: Request) -> EventSourceResponse:
    """The only route."""
    return EventSourceResponse(lines(request.query_params["rate"], request.query_params["seconds"]))


if __name__ == "__main__":
    uvicorn.run(Starlette(routes=[Route("/", stream)]), port=int(sys.argv[1]), log_level="error")
