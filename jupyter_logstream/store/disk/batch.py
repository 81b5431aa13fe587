"""A batch: neighbouring records of a stream in columns, read from it at one moment. stdlib, no I/O of its own.

Columns, because most readers want a part: a filter by level looks at `marks` only, and messages are loaded from the log
when somebody asks for them. `encode` is the hot path of the whole server: records that share time, level and source
(a chunk of output does) are written as one run.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import groupby
from json import dumps
from typing import Any

from ...model.records import LEVELS, SOURCES, Record
from ...text.lines import PART
from ...text.step_markers import Step
from .layout import ESTIMATED, FLAG_SHIFT, STEP_BEGIN, STEP_BITS, STEP_END, level_of, source_of

ESTIMATED_FIELDS: Mapping[str, Any] = {"ts_estimated": True}

Messages = tuple[list[str], Mapping[int, Mapping[str, Any]]]
"""The texts of a batch, and the fields of those that have some, by position."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What a whole log comes to: lines, bytes of output, lines by level (those that occur), secrets masked, steps."""

    lines: int = 0
    bytes: int = 0
    levels: Mapping[str, int] = field(default_factory=dict)
    masked: int = 0
    steps: tuple[Step, ...] = ()

    def summary(self) -> dict[str, Any]:
        """By name, as a Workload tells it of its log and its status keeps it."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Partial:
    """A line still being written: its source, its text so far, and whether carriage returns rewrite it."""

    source: str
    message: str
    rewritten: bool


@dataclass(slots=True)
class Batch:
    """Records `seqs`, and the stream's ends when they were read.

    `first`, `end`: the oldest kept and the newest seq of the stream. `closed`: nothing will follow `end`.
    `cursor`: what was read up to (with a filter, further than the last record).
    """

    seqs: Sequence[int]
    times: Sequence[int]  # Unix microseconds
    marks: Sequence[int]
    load: Callable[[Batch], Messages]
    steps: Sequence[str]  # names; a mark's step counts from 1
    first: int
    end: int
    closed: bool
    tally: Callable[[], Tally]
    partials: Callable[[], list[Partial]]
    offsets: Sequence[int] = ()  # where the reader finds each, and its sizes; nobody else's business
    sizes: Sequence[int] = ()
    search: Callable[[Batch, str, bool], list[int] | None] | None = None  # see `holding`
    _messages: Messages | None = None
    _encoded: list[bytes] = field(default_factory=list)  # one at most; shared by all that share the records

    def __len__(self) -> int:
        return len(self.seqs)

    @property
    def last(self) -> int:
        """The last record's seq; of an empty batch 0."""
        return self.seqs[-1] if self.seqs else 0

    @property
    def messages(self) -> list[str]:
        """The texts, loaded on first use."""
        return self.loaded()[0]

    @property
    def turns(self) -> bool:
        """Whether a step begins or ends in it."""
        marks = self.marks[:1] if uniform(self.marks) else set(self.marks)
        return any(mark >> FLAG_SHIFT & (STEP_BEGIN | STEP_END) for mark in marks)

    def loaded(self) -> Messages:
        """Texts and fields, loaded on first use."""
        if self._messages is None:
            self._messages = self.load(self)
        return self._messages

    def holding(self, text: str, *, fold: bool) -> list[int] | None:
        """The positions that hold a text (`fold`: in any case), without loading any; None: it cannot be told so."""
        return self.search(self, text, fold) if self.search is not None and self._messages is None else None

    def pick(self, positions: Sequence[int]) -> Batch:
        """The same moment's batch with only these positions."""
        loaded = self._messages
        return replace(
            self,
            seqs=[self.seqs[i] for i in positions],
            times=[self.times[i] for i in positions],
            marks=[self.marks[i] for i in positions],
            offsets=[self.offsets[i] for i in positions] if self.offsets else (),
            sizes=[self.sizes[i] for i in positions] if self.sizes else (),
            _encoded=[],
            _messages=loaded and ([loaded[0][i] for i in positions],
                                  {k: loaded[1][i] for k, i in enumerate(positions) if i in loaded[1]}),
        )  # fmt: skip

    def halves(self) -> tuple[Batch, Batch]:
        """Two batches in place of one."""
        middle = len(self) // 2
        return self.pick(range(middle)), self.pick(range(middle, len(self)))

    def records(self) -> list[Record]:
        """As values."""
        messages, fields = self.loaded()
        return [
            Record(
                seq=seq,
                ts=time / 1000,
                level=LEVELS[level_of(mark)],
                message=message,
                step=self._step(mark),
                source=SOURCES[source_of(mark)],
                part=bool(mark >> FLAG_SHIFT & PART),
                fields=fields.get(i) or (ESTIMATED_FIELDS if mark >> FLAG_SHIFT & ESTIMATED else None),
            )
            for i, (seq, time, mark, message) in enumerate(
                zip(self.seqs, self.times, self.marks, messages, strict=True)
            )
        ]

    def seen_at(self, first: int, end: int, *, closed: bool) -> Batch:
        """The same records, with the ends that the stream has now."""
        return replace(self, first=first, end=end, closed=closed)

    def encode(self) -> bytes:
        """The records as the items of a JSON array, without its brackets. Done once, however many readers."""
        if not self._encoded:
            self._encoded.append(self._encode())
        return self._encoded[0]

    def _encode(self) -> bytes:
        messages, fields = self.loaded()
        if fields:
            return ",".join(
                dumps(r.to_json(), ensure_ascii=False, separators=(",", ":")) for r in self.records()
            ).encode()
        values = _json_values(self.seqs, messages)
        runs: list[bytes] = []
        at = 0
        for (time, mark), count in _runs(self.times, self.marks):
            form = b"{" + self._form(time, mark) + b"},"
            runs.append((form * count)[:-1] % tuple(values[2 * at : 2 * (at + count)]))
            at += count
        return b",".join(runs)

    def _form(self, time: int, mark: int) -> bytes:
        """The members of a record's JSON, with a place for its seq and one for its message."""
        step = self._step(mark)
        rest = "" if step is None else f',"step":{dumps(step)}'
        rest += f',"source":"{SOURCES[source_of(mark)]}"'
        rest += ',"part":true' if mark >> FLAG_SHIFT & PART else ""
        rest += f',"fields":{dumps(ESTIMATED_FIELDS)}' if mark >> FLAG_SHIFT & ESTIMATED else ""
        form = f'"seq":%b,"ts":{time / 1000!r},"level":"{LEVELS[level_of(mark)]}","message":%b'
        return form.encode() + rest.replace("%", "%%").encode()

    def _step(self, mark: int) -> str | None:
        step = mark & STEP_BITS
        return self.steps[step - 1] if 0 < step <= len(self.steps) else None


def uniform(column: Sequence[int]) -> bool:
    """Whether all are the same; quick for an array."""
    if isinstance(column, array):
        return column.tobytes() == column[:1].tobytes() * len(column)
    return len(set(column)) <= 1


def _runs(times: Sequence[int], marks: Sequence[int]) -> Iterator[tuple[tuple[int, int], int]]:
    """Neighbours that share time and mark, and how many they are."""
    at = 0
    while at < len(times):
        end = bisect_right(times, times[at], at)  # right unless the clock was set back
        if uniform(times[at:end]) and uniform(marks[at:end]):
            yield (times[at], marks[at]), end - at
        else:
            end = max(end, at + 1)
            for key, group in groupby(zip(times[at:end], marks[at:end], strict=True)):
                yield key, sum(1 for _ in group)
        at = end


def _json_values(seqs: Sequence[int], messages: list[str]) -> list[bytes]:
    """Seq, message, seq, message ... as JSON: all in one go, a line each, since no JSON value holds a line end."""
    values: list[int | str] = [0] * (2 * len(messages))
    values[0::2], values[1::2] = seqs, messages
    return _lines_of_json()(values).split(b"\n")


@cache
def _lines_of_json() -> Callable[[list[int | str]], bytes]:
    from msgspec.json import Encoder  # noqa: PLC0415 - five times as fast as json; the runner must do without it

    return Encoder().encode_lines


def join(pieces: Sequence[Batch], ends: Batch) -> Batch:
    """One batch of several, with the ends of another."""
    if len(pieces) == 1:
        return pieces[0].seen_at(ends.first, ends.end, closed=ends.closed)
    messages: list[str] = []
    fields: dict[int, Mapping[str, Any]] = {}
    for piece in pieces:
        texts, some = piece.loaded()
        fields.update({len(messages) + i: value for i, value in some.items()})
        messages += texts
    return replace(
        ends,
        seqs=[seq for piece in pieces for seq in piece.seqs],
        times=[time for piece in pieces for time in piece.times],
        marks=[mark for piece in pieces for mark in piece.marks],
        steps=max((piece.steps for piece in pieces), key=len, default=ends.steps),
        offsets=(),
        sizes=(),
        _encoded=[],
        _messages=(messages, fields),
    )
