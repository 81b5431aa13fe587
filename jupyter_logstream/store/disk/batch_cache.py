"""The batches read last, so that many readers of one stream cost one reading and one encoding. Server side; stdlib.

Readers that stand at the same cursor, and would read as far, get the same batch. Bounded: at MOST the batch longest
unread goes, and the next reader reads the log. This file must not know where batches come from.
"""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

from .batch import DiskBatch

MOST = 8
"""Batches kept, of about BATCH_BYTES each, and their texts."""


class Recent:
    """Batches by stream and the cursor that they follow. Any thread."""

    def __init__(self) -> None:
        self._batches: OrderedDict[tuple[str, int], tuple[bool, DiskBatch]] = OrderedDict()
        self._lock = Lock()

    def get(self, stream: str, after: int, limit: int, end: int) -> DiskBatch | None:
        """What reading at most `limit` records behind `after` of a stream that ends at `end` would give."""
        with self._lock:
            full, batch = self._batches.get((stream, after), (False, None))
            if batch is None or not (len(batch) == limit or (len(batch) < limit and (full or batch.last == end))):
                return None
            if batch.last > end:
                return None
            self._batches.move_to_end((stream, after))
            return batch

    def add(self, stream: str, after: int, limit: int, batch: DiskBatch) -> None:
        """Keep what was just read with `limit`."""
        full = len(batch) < limit and batch.last < batch.end  # no more bytes would have fitted
        with self._lock:
            self._batches[stream, after] = full, batch
            self._batches.move_to_end((stream, after))
            if len(self._batches) > MOST:
                self._batches.popitem(last=False)

    def forget(self, stream: str) -> None:
        """The stream was mended or dropped."""
        with self._lock:
            for key in [key for key in self._batches if key[0] == stream]:
                del self._batches[key]
