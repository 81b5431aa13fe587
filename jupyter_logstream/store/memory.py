"""A store in memory: the readable reference, and the one for tests. Server side; gone with its process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from ..model.records import LEVELS, SOURCES, Record, level_code
from ..text.step_markers import MOST, Timeline
from .disk.batch import Batch, Messages, Tally
from .disk.layout import STEP_BEGIN, STEP_END, level_of, mark_of
from .protocol import StreamEnded, UnknownStream


@dataclass(slots=True)
class _Stream:
    records: list[Record] = field(default_factory=list)
    first: int = 1  # seq of the oldest that is kept
    marks: list[int] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    timeline: Timeline[str] = field(default_factory=Timeline)
    closed: bool = False

    def add(self, record: Record) -> None:
        """Keep a record; a step begins and ends where another one is named (the system's own records end none)."""
        step, flags = self._known(record.step), int(record.part)
        if step != self.timeline.open and (step is not None or record.source != "system"):
            flags |= STEP_END if step is None else STEP_BEGIN
            self.timeline.end(record.ts) if step is None else self.timeline.begin(step, record.ts)
        number = 0 if step is None else self.steps.index(step) + 1
        source, level = SOURCES.index(record.source), level_code(record.level)
        self.marks.append(mark_of(source=source, level=level, flags=flags, step=number))
        self.records.append(replace(record, seq=self.first + len(self.records), step=step))

    def _known(self, step: str | None) -> str | None:
        """The step, unless there are as many already as there may be."""
        if step is not None and step not in self.steps:
            if len(self.steps) >= MOST:
                return None
            self.steps.append(step)
        return step


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
            kept.add(record)
        kept.closed = end
        last = kept.first + len(kept.records) - 1
        if self._keep is not None and len(kept.records) > self._keep + self._keep // 10:
            kept.first = last + 1 - self._keep
            del kept.records[: -self._keep], kept.marks[: -self._keep]
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
            marks=kept.marks[after + 1 - kept.first : after + 1 - kept.first + limit],
            load=load,
            steps=kept.steps,
            first=kept.first,
            end=kept.first + len(kept.records) - 1,
            closed=kept.closed,
            tally=lambda: _tally(kept),
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


def _tally(kept: _Stream) -> Tally:
    size = sum(len(r.message.encode()) + 1 for r in kept.records)
    levels = Counter(LEVELS[level_of(mark)] for mark in kept.marks)
    return Tally(len(kept.records), size, levels, 0, kept.timeline.steps({step: step for step in kept.steps}))
