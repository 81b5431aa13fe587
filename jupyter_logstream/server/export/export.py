"""Export of a log as a file: its formats, and the pieces of the file. Server; no HTTP.

A piece is a few thousand records at most, so an export needs the same memory for any log; it ends with the record that
was the newest when it began.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec

from ...store.protocol import Batch, Store
from ...store.queries.budget import Budget
from ...store.queries.filters import Filter, scan, tail_cursor
from .format import Exported, Format, Gap
from .html_page import MAX_LINES, HtmlFormat
from .json_lines import JsonLinesFormat
from .parquet import ParquetFormat
from .text import TextFormat

READ_RECORDS = 1 << 13
"""Records per read; between two of them an export can be cancelled."""

PIECE_RECORDS = 1000
PIECE_BYTES = 1 << 20
"""Records and bytes of text that are formatted at once."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A file format. `suffix`: of its files; `needs`: an optional package; `max_records`: the newest that it holds."""

    suffix: str
    media_type: str
    make: Callable[[Exported], Format]
    needs: str | None = None
    max_records: int | None = None


KINDS = {
    "parquet": Kind(".parquet", "application/vnd.apache.parquet", ParquetFormat, "pyarrow"),
    "jsonl": Kind(".jsonl", "application/jsonl; charset=utf-8", JsonLinesFormat),
    "html": Kind(".html", "text/html; charset=utf-8", HtmlFormat, None, MAX_LINES),
    "txt": Kind(".txt", "text/plain; charset=utf-8", TextFormat),
}
"""The formats by name."""


class FormatUnavailable(RuntimeError):
    """A format needs a package that this server does not have; the message names what to install."""


def check_available(name: str) -> Kind:
    """The format with this name. Raises KeyError, FormatUnavailable."""
    kind = KINDS[name]
    if kind.needs is not None and find_spec(kind.needs) is None:
        raise FormatUnavailable(
            f"format {name} needs {kind.needs}, which is not installed beside the Jupyter server: "
            f"pip install 'jupyter-logstream[{name}]'"
        )
    return kind


@dataclass(frozen=True, slots=True)
class Selection:
    """The records to export: those that match, after the cursor `after`; `tail`: only the last so many of them."""

    chosen: Filter
    after: int = 0
    tail: int | None = None


def export(
    store: Store, exported: Exported, selection: Selection, kind: Kind, budget: Budget | None = None
) -> Iterator[bytes]:
    """The file in pieces. An empty piece means only that the search goes on.

    Nothing is read before the first `next`. Raises UnknownStream, BadIndex, Unreadable, SearchCancelled.
    """
    budget = budget or Budget()
    stream, chosen = exported.workload.id, selection.chosen
    ends = store.read(stream, 0, 0)
    after, left_out = selection.after, False
    for bound in (selection.tail, kind.max_records):
        if bound is not None:
            cursor = tail_cursor(store, stream, chosen, bound, budget)
            if cursor > max(after, ends.first - 1):  # else there are no more, and a gap in front is reported
                after, left_out = cursor, bound == kind.max_records
    made = kind.make(replace(exported, left_out=left_out))
    waiting = made.begin()  # sent with the first records: an error before them is a response of its own
    match = chosen.compile(budget)

    def loaded(batch: Batch) -> Batch:
        upto = bisect_right(batch.seqs, ends.end)
        found = batch.pick([at for at in match(batch) if at < upto])
        found.loaded()
        return found

    for batch, found in scan(store, stream, loaded, after, at_once=READ_RECORDS, budget=budget):
        first = min(batch.seqs[0], ends.end + 1)
        if first > after + 1:
            waiting += made.gap(Gap(after + 1, first - 1))
        for piece in _pieces(found):
            yield waiting + made.records(piece.records())
            waiting = b""
        yield b""
        after = batch.last
        if after >= ends.end:
            break
    yield waiting + made.end()


def _pieces(batch: Batch) -> Iterator[Batch]:
    """The batch in parts of at most PIECE_RECORDS and about PIECE_BYTES."""
    sizes, start, size = batch.text_bytes, 0, 0
    for at in range(len(batch)):
        size += sizes[at]
        if at + 1 - start >= PIECE_RECORDS or size >= PIECE_BYTES or at + 1 == len(batch):
            yield batch.pick(range(start, at + 1))
            start, size = at + 1, 0
