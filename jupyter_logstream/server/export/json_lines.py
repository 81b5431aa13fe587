"""Export as JSON lines: OpenTelemetry's LogsData, one record per line. Server; no I/O.

This is the file format of OTLP ("OTLP JSON File"), which the Collector's receiver `otlpjsonfile` reads. One record
per line, so that a line of the file is a line of the log for grep, wc and jq; each repeats what it comes from.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...model.records import Record
from ..otlp.records import encode, gap_record, log_record, logs_data, workload_resource
from .format import Exported, Gap

_LINE_ENDS = "\x85\u2028\u2029"


class JsonLinesFormat:
    """A gap is a record with the event name `logstream.gap`."""

    def __init__(self, exported: Exported) -> None:
        self._id, self._now = exported.workload.id, exported.now
        whole = logs_data([(workload_resource(exported.workload, exported.host), [])])
        self._head, self._tail = whole[: -len(b"]}]}]}")], b"]}]}]}\n"

    def begin(self) -> bytes:
        """See Format."""
        return b""

    def gap(self, gap: Gap) -> bytes:
        """See Format."""
        return self._line(gap_record(gap.first, gap.last, gap.reason, self._now, self._id))

    def records(self, records: Sequence[Record]) -> bytes:
        """See Format."""
        return b"".join([self._line(log_record(record, self._id)) for record in records])

    def end(self) -> bytes:
        """See Format."""
        return b""

    def _line(self, record: dict[str, Any]) -> bytes:
        data = encode(record)
        if not data.isascii():  # some readers split lines at these, too
            for character in _LINE_ENDS:
                data = data.replace(character.encode(), b"\\u%04x" % ord(character))
        return self._head + data + self._tail
