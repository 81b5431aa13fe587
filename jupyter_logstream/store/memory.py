"""A store in memory: the readable reference, and the one for tests. Server side; gone with its process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from ..records import SOURCES, Record, level_code
from . import StreamEnded, UnknownStream
from .batch import Batch, Messages, Tally
from .layout import mark_of


@dataclass(slots=True)
class _Stream:
    records: list[Record] = field(default_factory=list)
    first: int = 1  # seq of the oldest that is kept
    steps: list[str] = field(default_factory=list)
    closed: bool = False


class MemoryStore:
    """Streams as lists of records. See `Store` for what each call promises.

    `keep`: about how many records of a stream are kept (None: all); then its oldest ones go, a tenth at a time.
    """

    def __init__(self, *, keep: int | None = None) -> None:
        self._keep = keep
        self._streams: dict[str, _Stream] = {}
        self._wakes: dict[str, list[Callable[[], None]]] = {}

    def append(self, stream: str, records: Iterable[Record], *, end: bool = False) -> int:
        kept = self._streams.setdefault(stream, _Stream())
        if kept.closed:
            raise StreamEnded(f"the stream {stream} was ended")
        for record in records:
            kept.records.append(replace(record, seq=kept.first + len(kept.records)))
            if record.step is not None and record.step not in kept.steps:
                kept.steps.append(record.step)
        kept.closed = end
        last = kept.first + len(kept.records) - 1
        if self._keep is not None and len(kept.records) > self._keep + self._keep // 10:
            kept.first = last + 1 - self._keep
            del kept.records[: -self._keep]
        self._wake(stream)
        return last

    def read(self, stream: str, after: int, limit: int) -> Batch:
        if stream not in self._streams:
            raise UnknownStream(stream)
        kept = self._streams[stream]
        after = max(after, kept.first - 1)
        found = kept.records[after + 1 - kept.first : after + 1 - kept.first + limit]

        def load(batch: Batch) -> Messages:
            chosen = [found[seq - 1 - after] for seq in batch.seqs]
            return [r.message for r in chosen], {i: r.fields for i, r in enumerate(chosen) if r.fields is not None}

        return Batch(
            seqs=range(after + 1, after + 1 + len(found)),
            times=[round(r.ts * 1000) for r in found],
            marks=[self._mark(kept, r) for r in found],
            load=load,
            steps=kept.steps,
            first=kept.first,
            end=kept.first + len(kept.records) - 1,
            closed=kept.closed,
            tally=lambda: _tally(kept.records),
            partials=list,
        )

    def watch(self, stream: str, wake: Callable[[], None]) -> Callable[[], None]:
        wakes = self._wakes.setdefault(stream, [])
        wakes.append(wake)
        return lambda: wakes.remove(wake) if wake in wakes else None

    def drop(self, stream: str) -> None:
        self._streams.pop(stream, None)
        self._wake(stream)

    def _wake(self, stream: str) -> None:
        for wake in list(self._wakes.get(stream, ())):
            wake()

    @staticmethod
    def _mark(kept: _Stream, record: Record) -> int:
        step = kept.steps.index(record.step) + 1 if record.step is not None else 0
        return mark_of(
            source=SOURCES.index(record.source), level=level_code(record.level), flags=int(record.part), step=step
        )


def _tally(records: list[Record]) -> Tally:
    return Tally(len(records), sum(len(r.message.encode()) + 1 for r in records), Counter(r.level for r in records))
