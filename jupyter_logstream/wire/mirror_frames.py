"""Frames of a mirror: a workload's folder on another machine, copied over a byte pipe. Server and runner; stdlib.

A frame is one line of JSON, followed by as many bytes as its `size` names. The remote end begins with GREETING, so
that text which a login shell printed before is skipped. Sizes and offsets are bytes of one segment file.

From the server:
    {"have": {file: size}}              continue these files there: first what the replica has, later to rewind
    {"ack": {file: size}}               written here up to there
    {"beat": ms}                        heartbeat and clock; answered with both times
    {"cancel": grace_s}                 TERM to the whole tree, KILL after the grace time
    {"input": number, "eof": last, "size": n}   bytes for standard input; answered by `taken`
    {"forget": true}                    delete the folder; answered by `forgotten`

From the remote end:
    {"hello": version, "layout": n, "node": name, "there": whether the folder exists}
    {"beat": ms, "now": ms}             the server's time, and the time there
    {"file": name, "offset": n, "size": n}      the next bytes of an append-only file
    {"truncate": name, "to": n}         the writer rolled back, or retention removed the file (`to` is null)
    {"replace": name, "size": n}        a sidecar file, as a whole
    {"status": {...}}                   the content of status.json, whenever it changed; not a final one
    {"final": {file: [size, crc32]}, "status": {...}, "complete": whether nothing follows}
                                        the final state; "lost": reason, if the runner wrote none
    {"taken": number, "error": reason}  input was accepted by the child's pipe, or refused
    {"cancelled": true}                 the runner has the cancel, or has ended
    {"forgotten": true}
    {"fault": text}                     the remote end cannot continue
"""

from __future__ import annotations

import json
import re
from typing import Any

MIRROR_VERSION = 1
"""Grows when an older end could not read what a newer one sends."""

GREETING = b"\0jupyter-logstream\0"
"""Comes before the first frame of the remote end."""

WINDOW_BYTES = 4 << 20
"""Bytes of a workload that are sent and not yet acknowledged: the sender waits then."""

MAX_PIECE_BYTES = 256 << 10
"""Bytes of a file in one frame."""

BEAT_INTERVAL_S = 5.0
"""Between two heartbeats of the server."""

SILENCE_TIMEOUT_S = 20.0
"""A connection on which nothing came for this time is dropped, by either end."""

SEGMENT_FILE = re.compile(r"(stdout|stderr|notes|index)\.(\d{3}|[1-9]\d{3,})")
"""Name of an append-only file that is mirrored."""

RESULT_FILE = "result"
"""The result of a function: written once, mirrored with the final state."""

SIDECAR_FILES = ("steps", "masked", "kept")
"""Small files that are mirrored as a whole."""

_MAX_HEADER_BYTES = 4 << 20  # a final frame of 10,000 files
_MAX_PAYLOAD_BYTES = 32 << 20  # more than the input that a server accepts
_MAX_PREAMBLE_BYTES = 64 << 10

Frame = tuple[dict[str, Any], bytes]


class BadFrame(ValueError):
    """The other end sent something that is no frame. The text shows its beginning."""


def encode(fields: dict[str, Any], payload: bytes | None = None) -> bytes:
    """A frame; `payload`: its bytes, whose number is added as `size`."""
    if payload is None:
        return json.dumps(fields, separators=(",", ":")).encode() + b"\n"
    return json.dumps({**fields, "size": len(payload)}, separators=(",", ":")).encode() + b"\n" + payload


def is_append_only(name: str) -> bool:
    """Whether a file of this name is copied by offset. Any other name from the remote end is refused."""
    return name == RESULT_FILE or SEGMENT_FILE.fullmatch(name) is not None


class FrameDecoder:
    """Splits bytes into frames. `greeting`: skip everything up to GREETING first.

    Bound: one frame, at most _MAX_HEADER_BYTES and _MAX_PAYLOAD_BYTES; a longer one raises BadFrame.
    """

    def __init__(self, *, greeting: bool = False) -> None:
        self._unread = bytearray()
        self._greeted = not greeting
        self._header: dict[str, Any] | None = None  # of a frame whose bytes are not complete
        self._size = 0

    @property
    def preamble(self) -> str:
        """The text before the greeting, so far; "" after it."""
        return "" if self._greeted else self._unread.decode(errors="replace").strip()

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that these bytes complete. Raises BadFrame."""
        self._unread += data
        if not self._greeted and not self._skip_preamble():
            return []
        frames: list[Frame] = []
        at = 0
        while True:
            if self._header is None:
                stop = self._unread.find(b"\n", at)
                if stop < 0:
                    if len(self._unread) - at > _MAX_HEADER_BYTES:
                        raise BadFrame("a frame is too long")
                    break
                self._header, self._size = _parse(bytes(self._unread[at:stop]))
                at = stop + 1
            if len(self._unread) - at < self._size:
                break
            with memoryview(self._unread) as view:
                frames.append((self._header, bytes(view[at : at + self._size])))
            at += self._size
            self._header = None
        del self._unread[:at]
        return frames

    def _skip_preamble(self) -> bool:
        found = self._unread.find(GREETING)
        if found < 0:
            if len(self._unread) > _MAX_PREAMBLE_BYTES:
                raise BadFrame(f"no runner answers, but: {self.preamble[:200]}")
            return False
        del self._unread[: found + len(GREETING)]
        self._greeted = True
        return True


def _parse(line: bytes) -> tuple[dict[str, Any], int]:
    """The fields of a frame and the number of its bytes."""
    try:
        fields = json.loads(line)
        size = fields.get("size", 0)
    except (ValueError, AttributeError, RecursionError):
        raise BadFrame(f"not a frame: {line[:80]!r}") from None
    if not isinstance(size, int) or not 0 <= size <= _MAX_PAYLOAD_BYTES:
        raise BadFrame(f"a frame has 0 to {_MAX_PAYLOAD_BYTES} bytes, not {size!r}")
    return fields, size
