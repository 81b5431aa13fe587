"""LogBroker: publish a line, subscribe to lines. Server side; a few lines over append and follow, so no queues.

A subscriber is a cursor in the store: any number of them cost nothing while they wait, a slow one holds up nobody, and
what was published before it came is there for it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator

from ..model.records import LEVELS, Record
from ..text.levels import guess_level
from .memory import MemoryStore
from .protocol import Store, StreamEnded, UnknownStream, follow


class LogBroker:
    """Lines of text by stream id, kept in a store (by default in memory)."""

    def __init__(self, store: Store | None = None) -> None:
        self._store = MemoryStore() if store is None else store

    def publish(self, id: str, line: str) -> int:  # noqa: A002 - the protocol's own word
        """Append a line (its line end is dropped); return its seq. Raises what `Store.append` raises."""
        text = line.removesuffix("\n").removesuffix("\r")
        level = LEVELS[guess_level(text.encode("utf-8", "replace"))]
        return self._store.append(id, [Record(0, time.time() * 1000, level, text, source="log")])

    async def subscribe(self, id: str, *, after: int | None = None, tail: int | None = None) -> AsyncIterator[Record]:  # noqa: A002
        """The records after a cursor, or the last `tail` ones, and all that come, until the stream is closed.

        With neither: from the beginning. A stream that nobody has published to yet is waited for.
        """
        if after is None:
            after = max(self._end(id) - tail, 0) if tail is not None else 0
        self._store.append(id, []) if self._end(id) < 0 else None
        async for batch in follow(self._store, id, max(after, 0)):
            for record in batch.records():
                yield record

    def close(self, id: str) -> None:  # noqa: A002
        """Nothing more will be published: subscribers end when they have read what is there. Once is enough."""
        with contextlib.suppress(StreamEnded):
            self._store.append(id, [], end=True)

    def _end(self, stream: str) -> int:
        try:
            return self._store.read(stream, 0, 0).end
        except UnknownStream:
            return -1
