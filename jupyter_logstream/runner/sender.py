"""What a mirror's remote end sends next: new bytes of a workload's folder, in an order that readers rely on.

Runs in `runner.pyz`; stdlib. Bytes precede the index entries that refer to them. The size of the index is read first:
whatever it refers to is in the files then.
"""

from __future__ import annotations

import contextlib
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..store.disk.files import OPEN, open_regular, read_json
from ..store.disk.layout import ENTRY, FILES, INDEX_SEGMENT, SEGMENT, file_of, unpack
from ..wire.mirror_frames import MAX_PIECE_BYTES, RESULT_FILE, SEGMENT_FILE, SIDECAR_FILES, WINDOW_BYTES, encode

_MAX_ENTRIES_BYTES = 8192 * ENTRY  # entries whose bytes are sent before them
_CRC_READ_BYTES = 1 << 20
_FIRST_PIECE_BYTES = 4096  # of a connection, doubled with each piece: one that breaks soon still makes progress

Segment = tuple[str, int]  # file, number
Stamp = tuple[int, int, int]


class Sender:
    """Follows the log in `folder`. Bound: WINDOW_BYTES are sent and not acknowledged."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sent: dict[str, int] = {}
        self._acknowledged: dict[str, int] = {}
        self._sidecars: dict[str, Stamp] = {}
        self._piece_bytes = _FIRST_PIECE_BYTES
        self.is_waiting = False  # for acknowledgements

    def rewind(self, have: dict[str, int], *, all_files: bool = False) -> None:
        """Continue these files where the replica ends. `all_files`: it has no others."""
        if all_files:
            self._sent, self._acknowledged = {}, {}
        self._sent.update(have)
        self._acknowledged.update(have)

    def acknowledge(self, sizes: dict[str, int]) -> None:
        """The replica has written these files up to these sizes."""
        for name, size in sizes.items():
            if name in self._sent:
                self._acknowledged[name] = max(size, self._acknowledged.get(name, 0))

    @property
    def acknowledged(self) -> dict[str, int]:
        """Global offset in each file before which everything is acknowledged; of the index without headers."""
        found: dict[str, int] = {}
        for name, size in self._acknowledged.items():
            if match := SEGMENT_FILE.fullmatch(name):
                of_index = match[1] == "index"
                begin = int(match[2]) * (INDEX_SEGMENT * ENTRY if of_index else SEGMENT)
                found[match[1]] = max(found.get(match[1], 0), begin + (max(size - ENTRY, 0) if of_index else size))
        return found

    @property
    def acknowledged_segments(self) -> int:
        """The number of segments that are acknowledged as a whole."""
        found = self.acknowledged
        return sum(offset // (INDEX_SEGMENT * ENTRY if name == "index" else SEGMENT) for name, offset in found.items())

    def frames(self, *, result: bool = False) -> Iterator[bytes]:
        """Frames with everything that is new and fits into the window. `result`: the function's result, too."""
        self.is_waiting = False
        index = self._listing("index")
        yield from self._changed_sidecars()
        data = {name: self._listing(name) for name in FILES}
        for name, sizes in (("index", index), *data.items()):
            yield from self._rolled_back(name, sizes)
        for (_, number), size in sorted(index.items()):
            yield from self._entries(f"index.{number:03d}", size, data)
            if self.is_waiting:
                return
        for sizes in data.values():
            for (name, number), size in sorted(sizes.items()):
                yield from self._pieces(f"{name}.{number:03d}", size)
        if result:
            with contextlib.suppress(FileNotFoundError):
                yield from self._pieces(RESULT_FILE, os.stat(self._folder / RESULT_FILE, follow_symlinks=False).st_size)

    def checksums(self) -> dict[str, list[int]]:
        """Size and CRC32 of what was sent of each file that still exists."""
        return {
            name: [size, self._checksum(name, size)]
            for name, size in sorted(self._sent.items())
            if os.path.lexists(self._folder / name)
        }

    # --- files --------------------------------------------------------------------------------------------------------

    def _listing(self, wanted: str) -> dict[Segment, int]:
        """The sizes of a file's segments; of the index whole entries only."""
        found = {}
        with os.scandir(self._folder) as entries:
            for entry in entries:
                match = SEGMENT_FILE.fullmatch(entry.name)
                if match and match[1] == wanted and entry.is_file(follow_symlinks=False):
                    size = os.stat(entry.path, follow_symlinks=False).st_size
                    found[wanted, int(match[2])] = size - size % ENTRY if wanted == "index" else min(size, SEGMENT)
        return found

    def _rolled_back(self, name: str, sizes: dict[Segment, int]) -> Iterator[bytes]:
        """Frames for files that became shorter, and for segments that retention removed."""
        oldest = min((number for _, number in sizes), default=0)
        for sent, offset in list(self._sent.items()):
            base, _, number = sent.partition(".")
            if base != name:
                continue
            size = sizes.get((base, int(number)))
            if size is None:
                del self._sent[sent]
                self._acknowledged.pop(sent, None)
                if int(number) < oldest and os.path.lexists(self._folder / "kept"):
                    yield encode({"truncate": sent, "to": None})
            elif size < offset:
                self.rewind({sent: size})
                yield encode({"truncate": sent, "to": size})

    def _changed_sidecars(self) -> Iterator[bytes]:
        for name in SIDECAR_FILES:
            with contextlib.suppress(FileNotFoundError, ValueError), open_regular(self._folder / name) as file:
                found = os.fstat(file.fileno())
                stamp = found.st_ino, found.st_size, found.st_mtime_ns
                if self._sidecars.get(name) != stamp:
                    self._sidecars[name] = stamp
                    yield encode({"replace": name}, file.read())

    # --- bytes --------------------------------------------------------------------------------------------------------

    def _entries(self, name: str, size: int, data: dict[str, dict[Segment, int]]) -> Iterator[bytes]:
        """New index entries of a segment, each block of them behind the bytes that it refers to."""
        while (offset := self._sent.get(name, 0)) < size and not self.is_waiting:
            block = self._read(name, offset, min(size - offset, _MAX_ENTRIES_BYTES))
            if not block:
                return
            for file, end in _ends_in(block[ENTRY:] if offset == 0 else block).items():
                for (_, number), there in sorted(data[file].items()):
                    yield from self._pieces(f"{file}.{number:03d}", min(there, end - number * SEGMENT))
            if not self.is_waiting:
                yield from self._pieces(name, offset + len(block))

    def _pieces(self, name: str, end: int) -> Iterator[bytes]:
        """The bytes of a file up to an offset, as far as the window allows."""
        while (offset := self._sent.get(name, 0)) < end:
            budget = min(self._piece_bytes, end - offset, WINDOW_BYTES - self._in_flight())
            if name.startswith("index."):
                budget -= budget % ENTRY
            if budget <= 0:
                self.is_waiting = True
                return
            piece = self._read(name, offset, budget)
            if not piece:
                return
            self._sent[name] = offset + len(piece)
            self._piece_bytes = min(2 * self._piece_bytes, MAX_PIECE_BYTES)
            yield encode({"file": name, "offset": offset}, piece)

    def _in_flight(self) -> int:
        return sum(size - self._acknowledged.get(name, 0) for name, size in self._sent.items())

    def _read(self, name: str, offset: int, size: int) -> bytes:
        try:
            fd = os.open(self._folder / name, os.O_RDONLY | OPEN)
        except FileNotFoundError:  # removed by retention
            return b""
        try:
            return os.pread(fd, size, offset)
        finally:
            os.close(fd)

    def _checksum(self, name: str, size: int) -> int:
        crc, at = 0, 0
        while at < size and (data := self._read(name, at, min(_CRC_READ_BYTES, size - at))):
            crc, at = zlib.crc32(data, crc), at + len(data)
        return crc


def _ends_in(block: bytes) -> dict[str, int]:
    """The global offset in each file at which the last of these entries ends."""
    words = unpack(block)
    files = {file_of(meta) for meta in set(words[3::4])}
    ends: dict[str, int] = {}
    for at in range(len(words) - 4, -1, -4):
        name = file_of(words[at + 3])
        if name not in ends:
            ends[name] = words[at] + (words[at + 2] & 0xFFFFFFFF)
            if len(ends) == len(files):
                break
    return ends


def status_of(folder: Path) -> dict[str, Any] | None:
    """The content of status.json; None if it is absent or damaged."""
    try:
        return read_json(folder / "status.json")
    except (FileNotFoundError, ValueError):
        return None
