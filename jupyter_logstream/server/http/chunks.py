"""Chunked response whose next chunk is made in a thread while this one is sent. Server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from tornado.iostream import StreamClosedError
from tornado.web import RequestHandler  # noqa: TC002 - as our own values

from ...store.errors import Unreadable
from .sse_response import disconnect

STALL_TIMEOUT_S = 600.0
"""How long a paused download is kept open."""


async def send_chunks(handler: RequestHandler, read: Callable[[], Awaitable[bytes | None]]) -> bool:
    """Send the chunks that `read` returns until it returns None; an empty one is skipped. Returns whether that is all.

    The caller then finishes the response; else the connection is closed, so that the client sees that it is cut. At
    most two chunks are in memory. Raises what the first `read` raises, and Unreadable for an OSError of it.
    """
    following, is_whole = asyncio.ensure_future(read()), False
    try:
        while (chunk := await following) is not None:
            following = asyncio.ensure_future(read())
            if chunk:
                handler.write(chunk)
                await asyncio.wait_for(handler.flush(), STALL_TIMEOUT_S)
        is_whole = True
    except (asyncio.TimeoutError, StreamClosedError):
        pass  # the client does not read, or has gone
    except OSError as error:
        if not _has_begun(handler):
            raise Unreadable from error
    finally:
        await asyncio.wait({following})  # it reads files that the caller closes next
        if not following.cancelled():
            following.exception()  # retrieved, or asyncio logs an exception that no task awaited
        if not is_whole and _has_begun(handler):  # an error must not look like the end of the log
            disconnect(handler)
    return is_whole


def _has_begun(handler: RequestHandler) -> bool:
    return handler._headers_written  # noqa: SLF001 - Tornado has no other way to query it
