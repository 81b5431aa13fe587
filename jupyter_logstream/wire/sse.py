"""Server-sent events: encoder and incremental decoder. Any process; stdlib, no I/O.

The wire format is section 9.2 "Server-sent events" of the WHATWG HTML standard. `encode` writes one block, `Decoder`
reads a stream in chunks of any size.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_LINE_END = re.compile(rb"\r\n|\n|\r")
_TEXT_LINE_END = re.compile(r"\r\n|\n|\r")
_BOM = b"\xef\xbb\xbf"

MAX_EVENT_BYTES = 16 * 1024 * 1024
"""Bound of a decoder, for each line and for all data lines of an event together."""

_MAX_RETRY_MS = 2**31 - 1  # some engines overflow above it and reconnect at once


class EventTooLarge(ValueError):
    """A line or an event is larger than MAX_EVENT_BYTES; nothing behind it can be decoded."""

    def __init__(self) -> None:
        super().__init__(f"the server sent an event of more than {MAX_EVENT_BYTES >> 20} MiB")


@dataclass(frozen=True, slots=True)
class Event:
    """One dispatched event. `id` is the last event id at its dispatch, "" if there was none."""

    type: str
    data: str
    id: str


def encode(
    data: str | None = None,
    *,
    event: str | None = None,
    id: str | int | None = None,  # noqa: A002 - the standard's own field name
    retry: int | None = None,
    comment: str | None = None,
) -> bytes:
    """Encode one block. Every line of `data` becomes a `data:` line, so line breaks are preserved (as LF).

    `retry`: milliseconds. Raises ValueError if a value would forge another field (a line break or NUL in `id` or
    `event`), or if `retry` is not a non-negative int.
    """
    lines: list[str] = []
    if comment is not None:
        lines += [f": {line}" for line in _TEXT_LINE_END.split(comment)]
    if id is not None:
        lines.append(f"id: {_single_line('id', str(id))}")
    if event:
        lines.append(f"event: {_single_line('event', event)}")
    if retry is not None:
        if not isinstance(retry, int) or isinstance(retry, bool) or retry < 0:
            raise ValueError(f"retry must be a whole number of milliseconds, not {retry!r}")
        lines.append(f"retry: {retry}")
    if data is not None:
        lines += [f"data: {line}" for line in _TEXT_LINE_END.split(data)]
    return ("\n".join(lines) + "\n\n").encode("utf-8", "replace")


def encode_json(event: str, *members: bytes, cursor: int | str | None = None) -> bytes:
    """Fast path of `encode` for a JSON object: joins its `members` (JSON on one line, commas included) in one copy.

    `event` and `cursor` are trusted.
    """
    head = b"" if cursor is None else b"id: %s\n" % str(cursor).encode()
    return b"".join((head, b"event: ", event.encode(), b"\ndata: {", *members, b"}\n\n"))


def _single_line(field: str, value: str) -> str:
    if any(bad in value for bad in "\r\n\0"):
        raise ValueError(f"{field} must not contain a line break or NUL: {value!r}")
    return value


class Decoder:
    """Incremental decoder: `feed` chunks of any size; it returns the events that they complete.

    A CR ends its line at once; an LF that follows is skipped, in the next chunk too. There is no end-of-input call: the
    standard drops an unfinished block, and its id has no effect.

    `retry`: the server's reconnection time in milliseconds; None: not sent. Memory: one unfinished line and the data of
    one event, of at most MAX_EVENT_BYTES each; beyond it `feed` raises EventTooLarge and cannot be called again.
    """

    def __init__(self) -> None:
        self.last_event_id: str = ""
        self.retry: int | None = None  # ms
        self._unfinished: list[bytes] = []  # parts of the current line; joined once, so one-byte chunks stay linear
        self._unfinished_bytes = 0
        self._skip_lf = False
        self._at_start = True  # the one leading BOM is dropped
        self._data: list[str] = []
        self._data_bytes = 0  # of their lines
        self._type = ""
        self._id = ""

    def feed(self, chunk: bytes) -> list[Event]:
        """Decode the next bytes; return the events that they complete, in order. Raises EventTooLarge."""
        if self._skip_lf and chunk:
            self._skip_lf = False
            if chunk[:1] == b"\n":
                chunk = chunk[1:]
        if not chunk:
            return []
        self._skip_lf = chunk[-1:] == b"\r"
        lines = _LINE_END.split(chunk)
        rest = lines.pop()
        events: list[Event] = []
        if lines and self._unfinished:
            lines[0] = b"".join((*self._unfinished, lines[0]))
            self._unfinished.clear()
            self._unfinished_bytes = 0
        for line in lines:
            self._read_line(line, events)
        if rest:
            self._unfinished.append(rest)
            self._unfinished_bytes += len(rest)
            if self._unfinished_bytes > MAX_EVENT_BYTES:
                raise EventTooLarge
        return events

    def _read_line(self, line: bytes, events: list[Event]) -> None:
        if self._at_start:
            self._at_start = False
            line = line.removeprefix(_BOM)
        if not line:
            self._dispatch(events)
            return
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data_bytes += len(line)
            if self._data_bytes > MAX_EVENT_BYTES:
                raise EventTooLarge
            self._data.append(value.removeprefix(b" ").decode("utf-8", "replace"))
        elif name in {b"event", b"id", b"retry"}:  # else a comment (empty name) or an unknown field
            self._read_field(name, value.removeprefix(b" ").decode("utf-8", "replace"))

    def _read_field(self, name: bytes, value: str) -> None:
        if name == b"event":
            self._type = value
        elif name == b"id":
            if "\0" not in value:
                self._id = value
        elif value.isascii() and value.isdigit():
            # Clamped by length first: int() of 5,000 digits is refused by Python.
            self.retry = _MAX_RETRY_MS if len(value.lstrip("0")) > 10 else min(int(value), _MAX_RETRY_MS)

    def _dispatch(self, events: list[Event]) -> None:
        self.last_event_id = self._id
        if self._data:
            events.append(Event(self._type or "message", "\n".join(self._data), self._id))
        self._data.clear()
        self._data_bytes = 0
        self._type = ""
