"""A collector, and an exporter without pauses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.collector import Collector
from support.environment import own_environment
from support.fixtures import serve

from jupyter_logstream.server.otlp import exporter, feed

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

__all__ = ["own_environment", "serve"]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporter, "POLL_INTERVAL_S", 0.02)
    monkeypatch.setattr(exporter, "BACKOFF_S", (0.02,))
    monkeypatch.setattr(feed, "ENDED_INTERVAL_S", 0.1)


@pytest.fixture
def collector(jp_asyncio_loop: asyncio.AbstractEventLoop) -> Iterator[Collector]:
    made = jp_asyncio_loop.run_until_complete(Collector().start())
    yield made
    jp_asyncio_loop.run_until_complete(made.stop())
