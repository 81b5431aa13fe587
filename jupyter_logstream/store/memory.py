"""In-memory store: the reference implementation, and the store of the server's own log. Server. Not persistent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from json import dumps
from typing import TYPE_CHECKING

from ..model.records import LEVELS, SOURCES, Record, level_code
from ..model.steps import MAX_STEPS, Timeline
from .errors import StreamEnded, UnknownStream
from .protocol import Messages, Partial, Tally
from .text_search import positions_of

if TYPE_CHECKING:
    from .pattern import Check, Pattern


@dataclass(slots=True)
class _Stream:
    records: list[Record] = field(default_factory=list)
    first: int = 1  # seq of the oldest retained record
    step_changes: set[int] = field(default_factory=set)  # seqs at which a step begins or ends
    steps: dict[str, str] = field(default_factory=dict)  # names, in the order of their first record
    timeline: Timeline[str] = field(default_factory=Timeline)
    closed: bool = False

    @property
    def end(self) -> int:
        return self.first + len(self.records) - 1

    def add(self, record: Record) -> None:
        """Append a record; a step begins or ends where another one is named (a system record ends none)."""
        step = self._known(record.step)
        if step != self.timeline.open and (step is not None or record.source != "system"):
            self.step_changes.add(self.end + 1)
            self.timeline.end(record.ts) if step is None else self.timeline.begin(step, record.ts)
        level, ts = LEVELS[level_code(record.level)], round(record.ts * 1000) / 1000
        self.records.append(replace(record, seq=self.end + 1, ts=ts, level=level, step=step))

    def retain(self, count: int) -> None:
        """Remove all but the newest `count` records."""
        self.first += len(self.records) - count
        del self.records[:-count]
        self.step_changes = {seq for seq in self.step_changes if seq >= self.first}

    def tally(self) -> Tally:
        """The totals of the retained records."""
        size = sum(len(record.message.encode()) + 1 for record in self.records)
        levels = Counter(record.level for record in self.records)
        return Tally(len(self.records), size, levels, 0, self.timeline.steps(self.steps))

    def _known(self, step: str | None) -> str | None:
        """The step; None if it is new and the stream has the maximum number of steps already."""
        if step is not None and step not in self.steps:
            if len(self.steps) >= MAX_STEPS:
                return None
            self.steps[step] = step
        return step


@dataclass(frozen=True, slots=True)
class MemoryBatch:
    """A batch of a stream in memory. See `Batch` for each member."""

    found: Sequence[Record]
    first: int
    end: int
    closed: bool
    stream: _Stream

    def __len__(self) -> int:
        return len(self.found)

    @property
    def seqs(self) -> Sequence[int]:
        return [record.seq for record in self.found]

    @property
    def times(self) -> Sequence[int]:
        return [round(record.ts * 1000) for record in self.found]

    @property
    def levels(self) -> bytes:
        return bytes(level_code(record.level) for record in self.found)

    @property
    def sources(self) -> bytes:
        return bytes(SOURCES.index(record.source) for record in self.found)

    @property
    def last(self) -> int:
        return self.found[-1].seq if self.found else 0

    @property
    def text_bytes(self) -> Sequence[int]:
        return [len(record.message) for record in self.found]

    @property
    def messages(self) -> list[str]:
        return [record.message for record in self.found]

    @property
    def changes_steps(self) -> bool:
        return any(record.seq in self.stream.step_changes for record in self.found)

    def loaded(self) -> Messages:
        fields = {i: record.fields for i, record in enumerate(self.found) if record.fields is not None}
        return self.messages, fields

    def matching(self, levels: AbstractSet[int], source: int | None, step: str | None) -> list[int]:
        names, origin = {LEVELS[code] for code in levels}, None if source is None else SOURCES[source]
        return [
            i
            for i, record in enumerate(self.found)
            if record.level in names and origin in (None, record.source) and step in (None, record.step)
        ]

    def holding(self, pattern: Pattern, check: Check) -> Sequence[int]:
        return positions_of(pattern, self.messages, check)

    def pick(self, positions: Sequence[int]) -> MemoryBatch:
        return replace(self, found=[self.found[i] for i in positions])

    def records(self) -> list[Record]:
        return list(self.found)

    def encode(self) -> bytes:
        return ",".join(dumps(r.to_json(), ensure_ascii=False, separators=(",", ":")) for r in self.found).encode()

    def tally(self) -> Tally:
        return self.stream.tally()

    def partials(self) -> list[Partial]:
        return []


class MemoryStore:
    """Streams as lists of records. See `Store` for the contract of each method.

    `keep`: number of records retained per stream (None: all). Beyond 110 % of it the oldest records are removed.
    """

    def __init__(self, *, keep: int | None = None) -> None:
        self._keep = keep
        self._streams: dict[str, _Stream] = {}
        self._wakes: dict[str, list[Callable[[], None]]] = {}

    def prepare(self, records: Iterable[Record]) -> Iterable[Record]:
        return list(records)

    def append(self, stream: str, records: Iterable[Record], *, end: bool = False) -> int:
        log = self._streams.setdefault(stream, _Stream())
        if log.closed:
            raise StreamEnded(f"the stream {stream} was ended")
        for record in records:
            log.add(record)
        log.closed = end
        if self._keep is not None and len(log.records) > self._keep + self._keep // 10:
            log.retain(self._keep)
        self._wake(stream)
        return log.end

    def read(self, stream: str, after: int, limit: int) -> MemoryBatch:
        if stream not in self._streams:
            raise UnknownStream(stream)
        log = self._streams[stream]
        start = max(after + 1, log.first) - log.first
        return MemoryBatch(log.records[start : start + limit], log.first, log.end, log.closed, log)

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
