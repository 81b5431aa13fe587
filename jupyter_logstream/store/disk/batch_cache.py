"""Batch cache: many readers of one stream share one read and one encoding. Server; stdlib.

Readers at the same cursor with the same limit get the same batch. Bounded: beyond MAX_BATCHES the least recently used
batch is dropped, and the next reader reads the log.
"""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

from .batch import DiskBatch

MAX_BATCHES = 8
"""Cached batches of about BATCH_BYTES each, with their texts."""


class BatchCache:
    """Batches by stream and cursor. Thread-safe."""

    def __init__(self) -> None:
        self._batches: OrderedDict[tuple[str, int], tuple[bool, DiskBatch]] = OrderedDict()
        self._lock = Lock()

    def get(self, stream: str, after: int, limit: int, end: int) -> DiskBatch | None:
        """The batch that reading `limit` records after `after` would return, if the stream ends at `end`; else None."""
        with self._lock:
            full, batch = self._batches.get((stream, after), (False, None))
            if batch is None or not (len(batch) == limit or (len(batch) < limit and (full or batch.last == end))):
                return None
            if batch.last > end:
                return None
            self._batches.move_to_end((stream, after))
            return batch

    def add(self, stream: str, after: int, limit: int, batch: DiskBatch) -> None:
        """Add a batch that was read with `limit`."""
        full = len(batch) < limit and batch.last < batch.end  # bounded by bytes, not by the limit
        with self._lock:
            self._batches[stream, after] = full, batch
            self._batches.move_to_end((stream, after))
            if len(self._batches) > MAX_BATCHES:
                self._batches.popitem(last=False)

    def forget(self, stream: str) -> None:
        """Drop the batches of a stream that was repaired or dropped."""
        with self._lock:
            for key in [key for key in self._batches if key[0] == stream]:
                del self._batches[key]
