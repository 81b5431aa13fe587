"""Texts of a log's lines: loaded from the bytes that the index refers to. Server.

A wrong offset is never served: index entries are checked against the bytes they point at.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...text.lines import MAX_TEXT_BYTES, OPEN, PART
from ...text.terminal import HEAD_BYTES, MAX_REDRAWN_BYTES, line_text, terminal_texts
from ..errors import BadIndex, Unreadable
from ..protocol import LOST as LOST_FIELD
from ..protocol import Messages
from .batch import DiskBatch, uniform
from .index import Index
from .layout import FLAG_SHIFT, LOST, SEGMENT, file_of, lost_meta
from .line_spans import LineSpans
from .segments import read_range
from .sidecars import RetainedRange

LOST_FIELDS: Mapping[str, Any] = {LOST_FIELD: True}
UNREADABLE_FIELDS: Mapping[str, Any] = {"unreadable": True}

_NOTE = json.JSONDecoder()
_SEARCHED_ENTRIES = 4096
_MAX_READ_BYTES = 32 * 1024 * 1024  # a batch that spans more is read line by line


class LineTexts:
    """Loads the texts of batches of the log in `folder`. `forget`: called when a cached batch must be read again."""

    def __init__(self, folder: Path, index: Index, forget: Callable[[], None]) -> None:
        self._folder, self._index, self._forget = folder, index, forget

    def load(self, batch: DiskBatch) -> Messages:
        """The texts of a batch, source by source: lines of one source are adjacent in its file."""
        fields: dict[int, Mapping[str, Any]] = {}
        if batch.metas and uniform(batch.metas):
            return self._texts(file_of(batch.metas[0]), batch, range(len(batch)), fields), fields
        names = [file_of(meta) for meta in batch.metas]
        messages = [""] * len(batch)
        for name in set(names):
            positions = [i for i, other in enumerate(names) if other == name]
            for i, text in zip(positions, self._texts(name, batch, positions, fields), strict=True):
                messages[i] = text
        return messages, fields

    def _texts(
        self, name: str, batch: DiskBatch, positions: Sequence[int], fields: dict[int, Mapping[str, Any]]
    ) -> list[str]:
        whole = len(positions) == len(batch)
        lines = LineSpans(
            batch.offsets if whole else [batch.offsets[i] for i in positions],
            batch.sizes if whole else [batch.sizes[i] for i in positions],
            batch.metas if whole else [batch.metas[i] for i in positions],
        )
        try:
            return self._texts_of(name, batch, positions, lines, fields)
        except Unreadable as error:
            if error.is_temporary or error.is_foreign:
                raise
        lines = self._with_unreadable_marked(name, batch, positions, lines)
        texts = self._texts_of(name, batch, positions, lines, fields)
        for i in lines.unreadable or ():
            texts[i], fields[positions[i]] = texts[i].replace("lost", "unreadable", 1), UNREADABLE_FIELDS
        return texts

    def _with_unreadable_marked(
        self, name: str, batch: DiskBatch, positions: Sequence[int], lines: LineSpans
    ) -> LineSpans:
        """The lines with those in unreadable blocks marked as lost, in the batch too."""
        from ..repair.bad_blocks import unreadable_lines  # noqa: PLC0415 - only after an I/O error

        bad = unreadable_lines(self._folder, name, lines.offsets, lines.sizes)
        self._forget()  # a later read can succeed
        return replace(self._with_marked(bad, batch, positions, lines), unreadable=bad)

    @staticmethod
    def _with_marked(bad: Sequence[int], batch: DiskBatch, positions: Sequence[int], lines: LineSpans) -> LineSpans:
        """The lines with some of them marked as lost, in the batch too."""
        metas, of_batch = array("Q", lines.metas), array("Q", batch.metas)
        for i in bad:
            metas[i] = of_batch[positions[i]] = lost_meta(metas[i])
        batch.metas = of_batch
        return replace(lines, metas=metas)

    def _texts_of(
        self,
        name: str,
        batch: DiskBatch,
        positions: Sequence[int],
        lines: LineSpans,
        fields: dict[int, Mapping[str, Any]],
    ) -> list[str]:
        consecutive = isinstance(batch.seqs, range)
        if name != "notes" and lines.are_plain() and lines.unreadable is None:
            return self._plain_texts(name, lines, batch.seqs[positions[0]])
        if consecutive and not lines.are_adjacent():
            raise self._mismatch(name)
        bodies = self._bodies(name, lines)
        if name != "notes":
            texts = [line_text(*body) for body in bodies]
        else:
            notes = [_read_note(body) for body, _, _ in bodies]
            if damaged := [i for i, note in enumerate(notes) if not note]:
                lines = self._with_marked(damaged, batch, positions, lines)
            fields.update((i, note["fields"]) for i, note in zip(positions, notes, strict=True) if "fields" in note)
            texts = [note.get("message", "") for note in notes]
        for i, text in lines.lost(name):
            texts[i], fields[positions[i]] = text, LOST_FIELDS
        return texts

    def _plain_texts(self, name: str, lines: LineSpans, seq: int) -> list[str]:
        """The common case, in C: adjacent whole lines without a CR."""
        start = lines.start
        before = 1 if start % SEGMENT else 0  # the byte before it must be a line end
        data = read_range(self._folder, name, start - before, lines.end)
        if before and data[:1] != b"\n" and not self._follows_part(name, seq):
            raise self._mismatch(name)
        texts = terminal_texts(data[before:].decode("utf-8", "replace"))
        if len(texts) != len(lines.sizes) + 1 or texts.pop():
            raise self._mismatch(name)
        return texts

    def _follows_part(self, name: str, seq: int) -> bool:
        """Whether the record before `seq` in its file is a part; True if none is within reach."""
        after = min(max(seq - 1 - _SEARCHED_ENTRIES, RetainedRange.read(self._folder).first - 1), seq - 1)
        words = self._index.read(after, seq - 1 - after)
        for meta in reversed(words[3::4]):
            if file_of(meta) == name:
                return bool(meta >> FLAG_SHIFT & (PART | LOST))
        return True

    def _bodies(self, name: str, lines: LineSpans) -> list[tuple[bytes, bytes, bytes]]:
        """The arguments of `line_text` for each line; for notes only the first is of use."""
        start, end = lines.start, lines.end
        at_once = end - start <= _MAX_READ_BYTES and lines.unreadable is None
        data = read_range(self._folder, name, start, end) if at_once else b""

        def read(begin: int, stop: int) -> bytes:
            return data[begin - start : stop - start] if at_once else read_range(self._folder, name, begin, stop)

        bodies: list[tuple[bytes, bytes, bytes]] = []
        for offset, size, meta in zip(lines.offsets, lines.sizes, lines.metas, strict=True):
            if meta >> FLAG_SHIFT & LOST:
                bodies.append((b"", b"", b""))
                continue
            length, tail = size & 0xFFFFFFFF, size >> 32
            begin = offset + length - tail
            stop = (
                begin + min(tail, MAX_TEXT_BYTES + 2) if name != "notes" else begin + tail
            )  # a million CRs can follow the text
            body = read(begin, stop)
            ended = stop < begin + tail or meta >> FLAG_SHIFT & (PART | OPEN) or body[-1:] == b"\n"
            if len(body) != stop - begin or tail > length or not ended:
                raise self._mismatch(name)
            before = read(max(offset, begin - MAX_REDRAWN_BYTES), begin) if begin > offset else b""
            head = read(offset, offset + HEAD_BYTES) if begin - offset > MAX_REDRAWN_BYTES else b""
            bodies.append((body, before, head))
        return bodies

    def _mismatch(self, name: str) -> BadIndex:
        return BadIndex(f"the index of {self._folder.name} does not match its {name}")


def _read_note(body: bytes) -> dict[str, Any]:
    """The published record in a line of `notes`; {} if its bytes are damaged."""
    try:
        note = _NOTE.decode(body.decode())
    except (ValueError, RecursionError):
        note = None
    return note if isinstance(note, dict) and isinstance(note.get("message"), str) else {}
