"""Background event loop: one daemon thread that runs all network I/O of this process. Runs in kernels, in user code.

Callers block with an exact timeout (`run_sync`), await from another loop (`run_async`) or do not wait at all
(`run_in_background`); the coroutines are the same. This file must not know HTTP.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import socket
import threading
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")

THREAD_NAME = "jupyter-logstream"
"""Name of the loop's thread; log records made in it are about our own requests."""


def run_sync(work: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
    """Run `work` on the background loop, block for its result and return it.

    `timeout`: seconds; None waits forever. Raises TimeoutError. A timeout or an interrupt cancels `work`.
    """
    future = asyncio.run_coroutine_threadsafe(work, background_loop())
    try:
        return future.result(timeout)
    except concurrent.futures.TimeoutError as error:  # not the builtin one before Python 3.11
        raise TimeoutError(str(error)) from None
    finally:
        future.cancel()  # closes the stream of an interrupted cell


def run_in_background(work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
    """Run `work` on the background loop without waiting for it."""
    return asyncio.run_coroutine_threadsafe(work, background_loop())


async def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Await `work` from another loop (the kernel's) while it runs on the background loop."""
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, background_loop()))


_starting = threading.Lock()


def background_loop() -> asyncio.AbstractEventLoop:
    """The loop of this process; started at the first call, and again in a forked child, which has no thread of it."""
    with _starting:
        return _start_loop(os.getpid())


class _Loop(asyncio.SelectorEventLoop):
    """asyncio's with two repairs, see its methods."""

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Print unhandled exceptions, except for one race without effect, which users would see below their cell.

        anyio 4.16 sets the result of a read from a Unix socket that was cancelled in the same iteration of the loop.
        """
        if not isinstance(context.get("exception"), asyncio.InvalidStateError):
            super().call_exception_handler(context)

    async def getaddrinfo(self, host: Any, port: Any, **options: Any) -> Any:
        """Resolve host names also during interpreter shutdown, when executors refuse work: a log's last lines need it.

        Blocks the loop then.
        """
        try:
            return await super().getaddrinfo(host, port, **options)
        except RuntimeError:
            return socket.getaddrinfo(host, port, **options)


@lru_cache(maxsize=1)
def _start_loop(pid: int) -> asyncio.AbstractEventLoop:  # noqa: ARG001 - the cache key: a forked child starts its own
    loop = _Loop()
    threading.Thread(target=loop.run_forever, name=THREAD_NAME, daemon=True).start()
    return loop
