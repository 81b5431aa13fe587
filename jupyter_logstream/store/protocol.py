"""The store: streams of records, read with a cursor. Server side (and the runner, which only writes).

`Store` is what every store promises, in four methods; all else is a function over them. History and live are one
operation - "after 16" - so there is no seam between them, and no queue per reader. This package must not know HTTP,
workloads' states or who runs them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from typing import TYPE_CHECKING, Any, Protocol

from ..model.records import Record
from .disk.batch import Batch

if TYPE_CHECKING:
    from .broker import LogBroker
    from .disk.file_store import FileStore
    from .memory import MemoryStore

__all__ = [
    "Batch",
    "FileStore",
    "LogBroker",
    "MemoryStore",
    "NotWriter",
    "Store",
    "StreamEnded",
    "UnknownStream",
    "follow",
]

_HOMES = {"FileStore": "file", "LogBroker": "broker", "MemoryStore": "memory"}


def __getattr__(name: str) -> Any:
    """The stores, when they are asked for: the runner comes through here and needs none of them."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - as above

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


class UnknownStream(KeyError):
    """No such stream, or it was dropped."""

    def __str__(self) -> str:
        return f"there is no stream {self.args[0]}"


class StreamEnded(ValueError):
    """The stream was ended: nothing can be appended."""


class NotWriter(ValueError):
    """Somebody else writes this stream: every stream has one writer, always."""


class Store(Protocol):
    """Where streams are kept. Every method may be called from the event loop: none waits for anybody but the disk."""

    def append(self, stream: str, records: Iterable[Record], *, end: bool = False) -> int:
        """Append records (their `seq` is given here); return the last seq. Makes the stream if it is new.

        `end`: nothing will follow. Raises StreamEnded, NotWriter, OSError (nothing appended then).
        """
        ...

    def read(self, stream: str, after: int, limit: int) -> Batch:
        """At most `limit` records after the cursor, and what is known of the stream's ends.

        A batch may stop short of `limit` (bytes are bounded too); it is empty only when there is nothing after `after`.
        One of more than a few thousand records reads its texts when they are asked for, and raises FileNotFoundError
        then if retention was quicker (`query.matches` takes care of it). Raises UnknownStream.
        """
        ...

    def watch(self, stream: str, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake` in the event loop after every change (now and then without one); returns what ends that."""
        ...

    def drop(self, stream: str) -> None:
        """Forget the stream and its bytes. What is open goes on being read; later reads raise UnknownStream."""
        ...


async def follow(store: Store, stream: str, after: int = 0, limit: int = 2000) -> AsyncIterator[Batch]:
    """All that is and all that will be after the cursor, until the stream ends or is dropped."""
    import asyncio  # noqa: PLC0415 - the runner comes through here and must not pay for it

    changed = asyncio.Event()
    unwatch = store.watch(stream, changed.set)
    try:
        while True:
            changed.clear()  # before the read: what comes after it wakes us again
            try:
                batch = store.read(stream, after, limit)
            except UnknownStream:
                return
            if len(batch):
                after = batch.last
                yield batch
            elif batch.closed:
                return
            else:
                await changed.wait()
    finally:
        unwatch()
