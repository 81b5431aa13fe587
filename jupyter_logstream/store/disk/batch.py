"""Batch of index entries in columns, with lazily loaded texts and fast JSON encoding. Server; no I/O of its own.

A filter by level reads the metadata column only. `encode` is the hot path of the server: records that share time and
metadata (a chunk of output does) are written as one run.
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import groupby
from json import dumps
from typing import TYPE_CHECKING, Any

from ...model.records import LEVELS, SOURCES, Record
from ...text import strict_json
from ...text.lines import PART
from ..protocol import Messages, Partial, Tally
from ..text_search import positions_of
from .layout import (
    ESTIMATED,
    FLAG_SHIFT,
    LEVEL_SHIFT,
    SOURCE_SHIFT,
    STEP_BEGIN,
    STEP_BITS,
    STEP_END,
    level_of,
    source_of,
)

if TYPE_CHECKING:
    from ..pattern import Check, Pattern

ESTIMATED_FIELDS: Mapping[str, Any] = {"ts_estimated": True}


@dataclass(slots=True)
class DiskBatch:
    """Records of a log on disk. See `Batch` for the contract; the columns below are for `store.disk` only.

    `metas`: packed metadata of each entry; `steps`: names, a meta's step number counts from 1; `offsets` and `sizes`:
    where the bytes of each record lie.
    """

    seqs: Sequence[int]
    times: Sequence[int]
    metas: Sequence[int]
    load: Callable[[DiskBatch], Messages]
    steps: Sequence[str]
    first: int
    end: int
    closed: bool
    tally: Callable[[], Tally]
    partials: Callable[[], list[Partial]]
    offsets: Sequence[int]
    sizes: Sequence[int]
    search: Callable[[DiskBatch, Pattern, Check], Sequence[int]]
    _messages: Messages | None = None
    _encoded: list[bytes] = field(default_factory=list)  # one at most; shared by all batches with the same records

    def __len__(self) -> int:
        return len(self.seqs)

    @property
    def last(self) -> int:
        return self.seqs[-1] if self.seqs else 0

    @property
    def levels(self) -> bytes:
        return _byte_column(self.metas, LEVEL_SHIFT)

    @property
    def sources(self) -> bytes:
        return _byte_column(self.metas, SOURCE_SHIFT)

    @property
    def text_bytes(self) -> Sequence[int]:
        return [size >> 32 for size in self.sizes]

    @property
    def messages(self) -> list[str]:
        return self.loaded()[0]

    @property
    def changes_steps(self) -> bool:
        return any(meta >> FLAG_SHIFT & (STEP_BEGIN | STEP_END) for meta in distinct(self.metas))

    def loaded(self) -> Messages:
        if self._messages is None:
            self._messages = self.load(self)
        return self._messages

    def matching(self, levels: AbstractSet[int], source: int | None, step: str | None) -> Sequence[int]:
        number = None
        if step is not None:
            if step not in self.steps:
                return []
            number = list(self.steps).index(step) + 1
        fits = {
            meta: level_of(meta) in levels and source in (None, source_of(meta)) and number in (None, meta & STEP_BITS)
            for meta in distinct(self.metas)
        }
        if all(fits.values()):
            return range(len(self))
        return [i for i, meta in enumerate(self.metas) if fits[meta]]

    def holding(self, pattern: Pattern, check: Check) -> Sequence[int]:
        if self._messages is None:
            return self.search(self, pattern, check)
        return positions_of(pattern, self._messages[0], check)

    def pick(self, positions: Sequence[int]) -> DiskBatch:
        loaded = self._messages
        return replace(
            self,
            seqs=[self.seqs[i] for i in positions],
            times=[self.times[i] for i in positions],
            metas=[self.metas[i] for i in positions],
            offsets=[self.offsets[i] for i in positions],
            sizes=[self.sizes[i] for i in positions],
            _encoded=[],
            _messages=loaded and ([loaded[0][i] for i in positions],
                                  {k: loaded[1][i] for k, i in enumerate(positions) if i in loaded[1]}),
        )  # fmt: skip

    def records(self) -> list[Record]:
        messages, fields = self.loaded()
        return [
            Record(
                seq=seq,
                ts=time / 1000,
                level=LEVELS[level_of(meta)],
                message=message,
                step=self._step(meta),
                source=SOURCES[source_of(meta)],
                part=bool(meta >> FLAG_SHIFT & PART),
                fields=fields.get(i) or (ESTIMATED_FIELDS if meta >> FLAG_SHIFT & ESTIMATED else None),
            )
            for i, (seq, time, meta, message) in enumerate(
                zip(self.seqs, self.times, self.metas, messages, strict=True)
            )
        ]

    def seen_at(self, first: int, end: int, *, closed: bool) -> DiskBatch:
        """The same records with the current ends of the stream."""
        return replace(self, first=first, end=end, closed=closed)

    def encode(self) -> bytes:
        if not self._encoded:
            self._encoded.append(self._encode())
        return self._encoded[0]

    def _encode(self) -> bytes:
        messages, fields = self.loaded()
        if fields:
            return ",".join(strict_json.dumps(r.to_json()) for r in self.records()).encode("utf-8", "replace")
        values = _json_values(self.seqs, messages)
        runs: list[bytes] = []
        at = 0
        for (time, meta), count in _runs(self.times, self.metas):
            form = b"{" + self._form(time, meta) + b"},"
            runs.append((form * count)[:-1] % tuple(values[2 * at : 2 * (at + count)]))
            at += count
        return b",".join(runs)

    def _form(self, time: int, meta: int) -> bytes:
        """The members of a record's JSON, with a placeholder for its seq and one for its message."""
        step = self._step(meta)
        rest = "" if step is None else f',"step":{dumps(step)}'
        rest += f',"source":"{SOURCES[source_of(meta)]}"'
        rest += ',"part":true' if meta >> FLAG_SHIFT & PART else ""
        rest += f',"fields":{dumps(ESTIMATED_FIELDS)}' if meta >> FLAG_SHIFT & ESTIMATED else ""
        form = f'"seq":%b,"ts":{time / 1000!r},"level":"{LEVELS[level_of(meta)]}","message":%b'
        return form.encode() + rest.replace("%", "%%").encode()

    def _step(self, meta: int) -> str | None:
        step = meta & STEP_BITS
        return self.steps[step - 1] if 0 < step <= len(self.steps) else None


def uniform(column: Sequence[int]) -> bool:
    """Whether all values are equal; fast for an array."""
    if isinstance(column, array):
        return column.tobytes() == column[:1].tobytes() * len(column)
    return len(set(column)) <= 1


def distinct(column: Sequence[int]) -> Sequence[int] | set[int]:
    """The different values of a column."""
    return column[:1] if uniform(column) else set(column)


def _byte_column(metas: Sequence[int], shift: int) -> bytes:
    """One byte of each entry's metadata."""
    at = shift // 8 if sys.byteorder == "little" else 7 - shift // 8
    return (metas if isinstance(metas, array) else array("Q", metas)).tobytes()[at::8]


def _runs(times: Sequence[int], metas: Sequence[int]) -> Iterator[tuple[tuple[int, int], int]]:
    """Adjacent records that share time and metadata: their key and number."""
    at = 0
    while at < len(times):
        end = bisect_right(times, times[at], at)  # correct unless the clock was set back
        if uniform(times[at:end]) and uniform(metas[at:end]):
            yield (times[at], metas[at]), end - at
        else:
            end = max(end, at + 1)
            for key, group in groupby(zip(times[at:end], metas[at:end], strict=True)):
                yield key, sum(1 for _ in group)
        at = end


def _json_values(seqs: Sequence[int], messages: list[str]) -> list[bytes]:
    """Seq, message, seq, message ... as JSON in one call: one line each, since no JSON value contains a line end."""
    values: list[int | str] = [0] * (2 * len(messages))
    values[0::2], values[1::2] = seqs, messages
    return _lines_of_json()(values).split(b"\n")


@cache
def _lines_of_json() -> Callable[[list[int | str]], bytes]:
    from msgspec.json import Encoder  # noqa: PLC0415 - five times as fast as json; the runner does not import it

    return Encoder().encode_lines
