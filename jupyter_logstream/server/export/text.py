"""Export as plain text: one line per record, without control sequences. Server; no I/O."""

from __future__ import annotations

from collections.abc import Sequence

from ...model.records import Record
from ...text.terminal import plain_text
from ..otlp.records import gap_text
from .format import Exported, Gap


class TextFormat:
    """UTF-8. The parts of a line longer than 64 KiB are joined again; a gap is a line in brackets."""

    def __init__(self, _: Exported) -> None:
        self._open: Record | None = None  # the last record, if its line continues

    def begin(self) -> bytes:
        """See Format."""
        return b""

    def gap(self, gap: Gap) -> bytes:
        """See Format."""
        return self._closed() + f"[jupyter-logstream: {gap_text(gap.first, gap.last, gap.reason)}]\n".encode()

    def records(self, records: Sequence[Record]) -> bytes:
        """See Format."""
        made: list[bytes] = []
        for record in records:
            if self._open is not None and self._open.source != record.source:
                made.append(self._closed())
            made.append(plain_text(record.message).encode("utf-8", "replace"))
            self._open = record if record.part else None
            if not record.part:
                made.append(b"\n")
        return b"".join(made)

    def end(self) -> bytes:
        """See Format."""
        return self._closed()

    def _closed(self) -> bytes:
        """The end of a line whose last part is missing or written elsewhere."""
        is_open, self._open = self._open is not None, None
        return b"\n" if is_open else b""
