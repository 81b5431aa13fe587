"""Export as Apache Parquet with typed columns, by pyarrow. Server; the only file that imports it.

The columns are those of `Workload.df()`. Rows are written in groups, so that memory is bounded by one group.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from ...model.records import Record
from ...text.strict_json import dumps
from .format import Exported, Gap, metadata

ROW_GROUP_RECORDS = 1 << 16
ROW_GROUP_BYTES = 16 << 20
"""A group of rows is written when it has this many records or bytes; until then it is in memory."""

_NAMES = frozenset({"level", "step", "source"})  # few different values
_NULLABLE = frozenset({"step", "fields"})

METADATA_KEY = "logstream"
"""Key of the file's metadata whose value is JSON: the workload, the conditions, and at the end the gaps."""


class ParquetFormat:
    """Columns `seq`, `ts` (microseconds, UTC), `level`, `message`, `step`, `source`, `part`, `fields` (JSON text)."""

    def __init__(self, exported: Exported) -> None:
        self._exported = exported
        self._gaps: list[Gap] = []
        self._batches: list[Any] = []  # of the next group of rows
        self._rows = self._bytes = 0
        self._sink = _Sink()
        self._schema: Any = None  # of the batches: names are texts in them
        self._writer: Any = None

    def begin(self) -> bytes:
        """See Format. Imports pyarrow, which takes a moment."""
        import pyarrow as pa  # noqa: PLC0415 - optional and slow
        from pyarrow.parquet import ParquetWriter  # noqa: PLC0415 - as above

        types = {
            "seq": pa.int64(),
            "ts": pa.timestamp("us", tz="UTC"),
            "level": pa.string(),
            "message": pa.string(),
            "step": pa.string(),
            "source": pa.string(),
            "part": pa.bool_(),
            "fields": pa.string(),
        }
        names = pa.dictionary(pa.int32(), pa.string())
        self._schema = pa.schema([pa.field(name, kind, name in _NULLABLE) for name, kind in types.items()])
        written = [field.with_type(names) if field.name in _NAMES else field for field in self._schema]
        self._writer = ParquetWriter(self._sink, pa.schema(written), compression="zstd")
        return self._sink.taken()

    def gap(self, gap: Gap) -> bytes:
        """See Format: it becomes part of the metadata."""
        self._gaps.append(gap)
        return b""

    def records(self, records: Sequence[Record]) -> bytes:
        """See Format."""
        import pyarrow as pa  # noqa: PLC0415 - as above

        columns: dict[str, list[Any]] = {
            "seq": [row.seq for row in records],
            "ts": [round(row.ts * 1000) for row in records],
            "level": [row.level for row in records],
            "message": [_utf8(row.message) for row in records],
            "step": [row.step for row in records],
            "source": [row.source for row in records],
            "part": [row.part for row in records],
            "fields": [None if row.fields is None else _utf8(dumps(dict(row.fields))) for row in records],
        }
        batch = pa.record_batch([pa.array(columns[f.name], f.type) for f in self._schema], schema=self._schema)
        self._batches.append(batch)
        self._rows, self._bytes = self._rows + len(records), self._bytes + batch.nbytes
        if self._rows >= ROW_GROUP_RECORDS or self._bytes >= ROW_GROUP_BYTES:
            self._write_group()
        return self._sink.taken()

    def end(self) -> bytes:
        """See Format."""
        if self._batches:
            self._write_group()
        gaps = [{"from": gap.first, "to": gap.last, "reason": gap.reason} for gap in self._gaps]
        about = dumps({**metadata(self._exported), "gaps": gaps})
        self._writer.add_key_value_metadata({METADATA_KEY: _utf8(about)})
        self._writer.close()
        return self._sink.taken()

    def _write_group(self) -> None:
        import pyarrow as pa  # noqa: PLC0415 - as above

        table = pa.Table.from_batches(self._batches).combine_chunks()
        self._batches, self._rows, self._bytes = [], 0, 0
        for at, field in enumerate(self._writer.schema):
            if field.name in _NAMES:
                table = table.set_column(at, field, table.column(at).dictionary_encode().cast(field.type))
        self._writer.write_table(table)


class _Sink(io.RawIOBase):
    """A file that hands over what was written since the last call."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[bytes] = []
        self._size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        piece = bytes(data)
        self._pieces.append(piece)
        self._size += len(piece)
        return len(piece)

    def tell(self) -> int:
        return self._size

    def taken(self) -> bytes:
        """The bytes that were written since the last call."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


def _utf8(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
