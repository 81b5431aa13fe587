"""Searches wait in a bounded queue, and end when their callers have gone."""

from __future__ import annotations

import asyncio
import threading

import pytest

from jupyter_logstream.server.search_pool import MAX_WAITING_SEARCHES, SEARCH_THREADS, SearchPool, TooManySearches
from jupyter_logstream.store.queries.budget import Budget, SearchCancelled, SlowPattern


async def test_search_beyond_the_queue_is_refused_and_the_queue_is_usable_again() -> None:
    pool, release = SearchPool(), threading.Event()
    number = SEARCH_THREADS + MAX_WAITING_SEARCHES
    tasks = [asyncio.ensure_future(pool.search(release.wait, Budget())) for _ in range(number)]
    await asyncio.sleep(0)
    with pytest.raises(TooManySearches):
        await pool.search(lambda: 1, Budget())
    assert await pool.read(lambda: 2) == 2  # while all search threads are taken
    release.set()
    assert await asyncio.gather(*tasks) == [True] * number
    assert await pool.search(lambda: 3, Budget()) == 3
    pool.close()


async def test_costly_filters_of_live_streams_hold_up_neither_reads_nor_searches() -> None:
    pool, release = SearchPool(), threading.Event()
    filters = [asyncio.ensure_future(pool.filter(release.wait)) for _ in range(20)]
    await asyncio.sleep(0)
    assert await pool.read(lambda: 1) == 1
    assert await pool.search(lambda: 2, Budget()) == 2
    release.set()
    assert await asyncio.gather(*filters) == [True] * 20
    pool.close()


async def test_cancelled_search_does_not_begin() -> None:
    pool, release, begun = SearchPool(), threading.Event(), []
    blocking = [asyncio.ensure_future(pool.search(release.wait, Budget())) for _ in range(SEARCH_THREADS)]
    budget = Budget()
    waiting = asyncio.ensure_future(pool.search(lambda: begun.append(1), budget))
    await asyncio.sleep(0)
    budget.cancel()
    release.set()
    with pytest.raises(SearchCancelled):
        await waiting
    assert not begun
    await asyncio.gather(*blocking)
    pool.close()


async def test_closed_pool_cancels_the_searches_that_run() -> None:
    pool, budget, running = SearchPool(), Budget(), threading.Event()

    def endless() -> None:
        while True:
            running.set()
            budget.check(0)

    task = asyncio.ensure_future(pool.search(endless, budget))
    await asyncio.to_thread(running.wait)
    pool.close()
    with pytest.raises(SearchCancelled):
        await task


def test_budget_counts_processor_time_and_names_the_line_that_was_reached() -> None:
    budget = Budget(cpu_s=0.01)

    def spend() -> None:
        for _ in range(10_000_000):
            budget.check(17)

    with pytest.raises(SlowPattern, match="stopped at line 17 "):
        spend()
