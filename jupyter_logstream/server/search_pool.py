"""Thread pools of searches, filters of live streams, short reads and exports, apart from asyncio's. Server; no HTTP.

asyncio's own threads serve downloads and name resolution, which therefore never wait for a search.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from ..store.queries.budget import Budget

SEARCH_THREADS = 2
MAX_WAITING_SEARCHES = 64
"""Searches that wait for a thread; further ones are refused."""
_FILTER_THREADS = 2
_READ_THREADS = 2
_EXPORT_THREADS = 1  # formatting holds the interpreter's lock: more threads would only slow down everything else

MAX_EXPORTS = 20
"""Open exports, of which each holds up to about 40 MiB (Parquet); further ones are refused."""

Answer = TypeVar("Answer")


class TooManySearches(RuntimeError):
    """The maximum number of searches is waiting."""


class TooManyExports(RuntimeError):
    """The maximum number of exports is open."""


class SearchPool:
    """Runs queries in threads. Use from the event loop.

    Waiting searches are bounded by MAX_WAITING_SEARCHES, waiting filters and reads by the number of open requests.
    """

    def __init__(self) -> None:
        self._searchers = ThreadPoolExecutor(SEARCH_THREADS, "logstream-search")
        self._filters = ThreadPoolExecutor(_FILTER_THREADS, "logstream-filter")
        self._readers = ThreadPoolExecutor(_READ_THREADS, "logstream-read")
        self._exporters = ThreadPoolExecutor(_EXPORT_THREADS, "logstream-export")
        self._open: set[Budget] = set()
        self._exports: set[Budget] = set()

    async def search(self, query: Callable[[], Answer], budget: Budget) -> Answer:
        """Run a query that can read a whole log. Raises TooManySearches, SearchCancelled, and what `query` raises."""
        if len(self._open) >= SEARCH_THREADS + MAX_WAITING_SEARCHES:
            raise TooManySearches(f"{MAX_WAITING_SEARCHES} searches are waiting already; try again later")

        def run() -> Answer:
            budget.check(0)  # the caller can have gone while it waited
            return query()

        self._open.add(budget)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._searchers, run)
        finally:
            self._open.discard(budget)

    async def filter(self, query: Callable[[], Answer]) -> Answer:
        """Run the filter of a live stream over one batch."""
        return await asyncio.get_running_loop().run_in_executor(self._filters, query)

    async def read(self, query: Callable[[], Answer]) -> Answer:
        """Run a query over one page."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, query)

    @contextmanager
    def exporting(self, budget: Budget) -> Iterator[None]:
        """Count an export while it is open; `close` cancels its budget. Raises TooManyExports."""
        if len(self._exports) >= MAX_EXPORTS:
            raise TooManyExports(f"{MAX_EXPORTS} exports are open already; try again later")
        self._exports.add(budget)
        try:
            yield
        finally:
            self._exports.discard(budget)

    async def export(self, step: Callable[[], Answer]) -> Answer:
        """Run the next step of an export, which takes milliseconds: all advance alike. Raises what it raises."""
        return await asyncio.get_running_loop().run_in_executor(self._exporters, step)

    def close(self) -> None:
        """Cancel all searches and exports: the server is stopping."""
        for budget in [*self._open, *self._exports]:
            budget.cancel()
        self._exporters.shutdown(wait=False)
        self._searchers.shutdown(wait=False, cancel_futures=True)
        self._filters.shutdown(wait=False)
        self._readers.shutdown(wait=False)
