"""Splits a response body into JSON objects while it arrives. Any process; stdlib, no I/O.

The form is recognized by content, not by Content-Type: one object, objects in lines (NDJSON), elements of an array, the
`data` of server-sent events, with or without a blank line between them, or any of these mixed: servers write an error
into a stream in whatever form they have. Lines end with LF, CRLF or CR.

Bounded: of an object only the wanted values are held, of other text _MAX_TEXT_BYTES per line; time by the
caller's `ScanBudget`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

from .json_scan import JsonScanner, Path, Paths, ScanBudget

OnDocument = Callable[[Mapping[Path, Any], bytes], None]
"""Called with the wanted values of an object and the name of its event (b"" without one)."""
OnText = Callable[[bytes, bytes], None]
"""Called with a line of `data` that is no object, and the name of its event."""

_MAX_TEXT_BYTES = 1000
_PIECE_BYTES = 64 * 1024  # copies are not larger
_MAX_PARSED_BYTES = 16 * 1024
_PARSED_BYTES_PER_STEP = 32  # json needs at most 1 us for them
_SEPARATORS = re.compile(rb"[\s,\[\]]*")
_BOM = b"\xef\xbb\xbf"
_RECORD = b"\x1e"  # separates objects of application/json-seq (RFC 7464)


class _Line(Enum):
    """What the current line is."""

    UNKNOWN = b""
    DATA = b"data:"
    EVENT = b"event:"
    ERROR = b"error:"  # llama.cpp sends errors in a field of this name
    RAW = b"{"  # JSON outside of events
    STRAY = b"?"  # text outside of events
    IGNORED = b":"


_FIELDS = (_Line.DATA, _Line.EVENT, _Line.ERROR)
_IGNORED = (b"id", b"retry", b"data", b"event")  # the last two without a colon
_NAMES = (*(field.value for field in _FIELDS), *_IGNORED, _BOM)


class DocumentReader:
    """Reads objects from chunks of any size."""

    def __init__(self, wanted: Paths, on_document: OnDocument, on_text: OnText, budget: ScanBudget) -> None:
        self.budget = budget
        self.count = 0  # objects so far
        self.has_data = False  # an object, or text of an event, has arrived
        self.has_text = False  # something other than comments and blank lines has arrived
        self.has_events = False  # there are `data:` lines
        self.stray = b""  # the first line that is neither JSON nor part of an event
        self._wanted, self._on_document, self._on_text = wanted, on_document, on_text
        self._scanner: JsonScanner | None = None
        self._line = _Line.UNKNOWN
        self._start = b""  # of a line that is not recognized yet
        self._text = bytearray()  # of the line, outside of objects
        self._event = b""
        self._is_reported = False  # whether something of the event was reported
        self._after_cr = False
        self._former: Mapping[Path, Any] = {}  # values of the event's object, if its name can still follow

    def feed(self, chunk: bytes) -> None:
        """Read the next bytes; nothing if the budget is spent."""
        for start in range(0, len(chunk), _PIECE_BYTES):
            self._feed(chunk[start : start + _PIECE_BYTES] if len(chunk) > _PIECE_BYTES else chunk)

    def _feed(self, piece: bytes) -> None:
        if self._after_cr or b"\r" in piece:
            piece = self._with_lf(piece)
        at = 0
        while at < len(piece) and not self.budget.spent:
            at = self._step(piece, at)
            self.budget.spend(1)

    def _with_lf(self, piece: bytes) -> bytes:
        """The piece with LF as the only line end; JSON has no bare CR inside of strings."""
        if self._after_cr:
            piece = piece.removeprefix(b"\n")
        self._after_cr = piece.endswith(b"\r")
        return piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def end(self) -> None:
        """The body has ended; its last line need not have an end."""
        self._end_line()

    def _step(self, chunk: bytes, at: int) -> int:
        if self._line is _Line.UNKNOWN:
            return self._begin_line(chunk, at)
        if self._line is _Line.RAW and self._scanner is not None:  # the object may have several lines
            at = self._scanner.feed(chunk, at)
            self._report()
            return at
        end = chunk.find(b"\n", at)
        part = chunk[at:] if end < 0 else chunk[at:end]
        if self._line is _Line.EVENT or self._line is _Line.STRAY:
            self._add_text(part)
        elif self._line is not _Line.IGNORED:
            if end >= 0 and self._scanner is None and self._parse(part):
                return end
            at += self._read(part)
            if self._line is _Line.RAW and self._scanner is not None:
                return at
        if end < 0:
            return len(chunk)
        self._end_line()
        return end + 1

    def _begin_line(self, chunk: bytes, at: int) -> int:
        """Recognize the line from its first bytes, of which `_start` holds those of earlier chunks."""
        held = len(self._start)
        end = chunk.find(b"\n", at, at + 6)
        start = self._start + (chunk[at : at + 6 - held] if end < 0 else chunk[at:end])
        line, used = self._recognized(start, has_end=end >= 0)
        if line is None:
            self._start = start
            return at + len(start) - held
        self._start = b""
        if line is _Line.UNKNOWN:  # a BOM or a separator
            return at + used - held
        self._line = line
        self.has_text = self.has_text or bool(start.strip() and not start.startswith(b":"))
        if line is _Line.STRAY:
            self._add_text(start[:held])
        if line is _Line.DATA or line is _Line.ERROR:
            self.has_events = True
        if line is _Line.ERROR:
            self._event = b"error"
        if line is _Line.RAW:
            self._scanner = None  # an object of an event is incomplete
        if end >= 0 and not start.strip():
            self._end_event()
        return at + max(used - held, 0)

    @staticmethod
    def _recognized(start: bytes, *, has_end: bool) -> tuple[_Line | None, int]:
        """The kind of a line and the length of its prefix; None: more bytes are needed."""
        if start[:1] in {b"{", b"[", b",", b"]", b" ", b"\t"}:
            return _Line.RAW, 0
        if start[:1] == b":" or not start.strip():
            return _Line.IGNORED, 0
        for prefix in (_BOM, _RECORD):
            if start.startswith(prefix):
                return _Line.UNKNOWN, len(prefix)
        for field in _FIELDS:
            if start.startswith(field.value):
                return field, len(field.value)
        if not has_end and any(name.startswith(start) for name in _NAMES):
            return None, 0
        return _Line.IGNORED if start.startswith(_IGNORED) else _Line.STRAY, 0

    def _parse(self, part: bytes) -> bool:
        """Parse the rest of a line if it is one small object: much faster than scanning it."""
        if len(part) > _MAX_PARSED_BYTES or self._text:
            return False
        part = part.strip()
        if part[:1] != b"{":
            return False
        try:
            value = json.loads(part)
        except (ValueError, RecursionError):
            return False
        self.budget.spend(len(part) // _PARSED_BYTES_PER_STEP)
        self.has_data, self.count = True, self.count + 1
        self._former = self._wanted.extract(value)
        self._on_document(self._former, self._event)
        return True

    def _read(self, part: bytes) -> int:
        """Read a part of the line; returns how much of it, which is less if an object outside of events is open."""
        at = 0
        while at < len(part) and not self.budget.spent:
            if self._scanner is None:
                start = at
                found = _SEPARATORS.match(part, at)
                at = found.end() if found else at
                if not _SEPARATORS.fullmatch(self._text) or at == len(part) or part[at] != ord("{"):
                    self._add_text(part[start:])
                    return len(part)
                self.has_data = True
                self._text.clear()
                self._scanner = JsonScanner(self._wanted, self.budget)
            at = self._scanner.feed(part, at)
            self._report()
            if self._line is _Line.RAW and self._scanner is not None:
                return at
        return len(part)

    def _report(self) -> None:
        scanner = self._scanner
        if scanner is not None and scanner.done:
            self._scanner = None
            self.count += 1
            self._former = scanner.found
            self._on_document(self._former, self._event)

    def _add_text(self, part: bytes) -> None:
        self._text += part[: _MAX_TEXT_BYTES - len(self._text)]
        is_data = self._line is not _Line.EVENT and self._line is not _Line.STRAY
        self.has_data = self.has_data or (is_data and bool(part.strip()))

    def _end_line(self) -> None:
        text = bytes(self._text).strip()
        self._text.clear()
        if self._line is _Line.EVENT:
            self._event = text
            if self._former:
                self._on_document(self._former, self._event)
        elif self._line is _Line.STRAY:
            self.stray = self.stray or text
        elif text and self._line in {_Line.DATA, _Line.ERROR, _Line.RAW}:
            self._is_reported = True
            self._on_text(text, self._event)
        self._line, self._start = _Line.UNKNOWN, b""

    def _end_event(self) -> None:
        """An empty line: an object of the event that is incomplete is dropped."""
        if self._event and not self._former and not self._is_reported:
            self._on_text(b"", self._event)
        self._scanner, self._is_reported = None, False
        self._event, self._former = b"", {}
