"""Copy of a log that is written elsewhere: writes what arrived, verifies the end, reports what is missing. Server.

Everything is written before it is acknowledged. While the disk here is full, nothing more is read, so the bytes wait on
the remote machine.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable, Mapping
from typing import Any

from ..model.protocol import now_ms
from ..model.records import Record
from ..store.disk.files import write_json
from ..store.disk.folder import Folder
from ..store.disk.layout import FILES, SEGMENT
from ..store.disk.replica import MirrorState, OffsetMismatch, Replica
from ..store.disk.writer import LogWriter
from ..wire.mirror_frames import RESULT_FILE, SEGMENT_FILE, SIDECAR_FILES, BadFrame

_DISK_RETRY_S = 0.5
_DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_MAX_CHECKS = 3  # of one file, before its difference is reported instead


class LogCopy:
    """The log in `folder`, written by frames. `request`: has the remote end continue files at these sizes.

    `paused`: called with the reason while the disk here is full, and with "" afterwards. Bound: one frame.
    """

    def __init__(
        self,
        folder: Folder,
        replica: Replica,
        state: MirrorState,
        request: Callable[[dict[str, int]], None],
        paused: Callable[[str], None],
    ) -> None:
        self._folder, self._replica, self._state = folder, replica, state
        self._request, self._paused = request, paused
        self._requested: dict[str, int] = {}  # size at which a file was requested to be continued
        self._checks: dict[str, int] = {}
        self._is_paused = False
        self.acks: dict[str, int] = {}

    async def append(self, name: str, offset: int, data: bytes) -> None:
        """Append bytes to a file, if they continue it; else request those that do. What is here already is skipped."""
        if offset == 0:
            self._count_unavailable(name)
        try:
            size = await self.insist(lambda: self._replica.append(name, offset, data))
        except OffsetMismatch as mismatch:
            size = mismatch.size
            if offset > size and self._requested.get(name) != size:
                self._requested[name] = size
                self._request({name: size})
            if offset > size or offset + len(data) <= size:
                return
            size = await self.insist(lambda: self._replica.append(name, size, data[size - offset :]))
        self._requested.pop(name, None)
        self.acks[name] = size

    async def replace(self, name: str, data: bytes) -> None:
        """Replace a sidecar file."""
        if name not in SIDECAR_FILES:
            raise BadFrame(f"{name!r} is no sidecar file of a log")
        await self.insist(lambda: self._replica.replace(name, data))

    def truncate(self, name: str, size: int | None) -> None:
        """Truncate a file, or (None) remove a segment that retention removed there."""
        if size is None:
            self._replica.remove(name)
        else:
            self._replica.truncate(name, size)

    async def store_status(self, status: dict[str, Any], node: str) -> None:
        """Store the runner's record, with its times corrected and the name of the machine."""
        moved = _moved(status, self._replica.shift_us, node)
        await self.insist(lambda: write_json(self._folder.path / "status.json", moved))

    async def is_verified(self, files: Mapping[str, list[int]]) -> bool:
        """Whether sizes and checksums agree; else what differs is requested again.

        A file that differs again and again counts as missing, so that the workload gets its final state.
        """
        differing = await asyncio.to_thread(self._differing, files)
        again = {name: have for name, have in differing.items() if self._checks.get(name, 0) < _MAX_CHECKS}
        for name, have in again.items():
            self._checks[name] = self._checks.get(name, 0) + 1
            self._replica.truncate(name, have)
        if again:
            self._requested.clear()
            self._request(again)
            return False
        for name in differing:
            self._add_missing(name.partition(".")[0], files[name][0])
        return True

    async def report_missing(self, place: str) -> None:
        """Publish what the remote end no longer had, as a system record: the log's writer there has ended."""
        if self._state.missing:
            self._replica.close()
            await asyncio.to_thread(_publish_missing, self._folder, place, self._state.missing)

    async def end(self) -> None:
        """Mark the log as ended."""
        await self.insist(self._replica.end)

    async def insist(self, write: Callable[[], Any]) -> Any:
        """Write; while the disk is full, try again until there is space. Raises other OSErrors."""
        while True:
            try:
                result = write()
            except OSError as error:
                if error.errno not in _DISK_FULL:
                    raise
                self._is_paused = True
                self._paused("the disk of this server is full; the log waits there")
                await asyncio.sleep(_DISK_RETRY_S)
            else:
                if self._is_paused:
                    self._is_paused = False
                    self._paused("")
                return result

    def _differing(self, files: Mapping[str, list[int]]) -> dict[str, int]:
        """Files that differ from those there, and where to continue them: at 0 if their content differs. Blocks."""
        found = {}
        for name, (size, crc) in files.items():
            have = self._replica.checksum(name, size)
            if have != crc:
                found[name] = self._replica.sizes().get(name, 0) if have is None else 0
        return found

    def _count_unavailable(self, name: str) -> None:
        """Count the bytes before a new segment that the remote end no longer had."""
        match = SEGMENT_FILE.fullmatch(name)
        if match and match[1] in FILES and int(match[2]):
            number, sizes = int(match[2]), self._replica.sizes()
            ends = [n * SEGMENT + sizes[at] for n in range(number) if (at := f"{match[1]}.{n:03d}") in sizes]
            self._add_missing(match[1], number * SEGMENT - max(ends, default=0))

    def _add_missing(self, name: str, count: int) -> None:
        if count > 0:
            self._state.missing[name] = self._state.missing.get(name, 0) + count
            self._state.save()


def _publish_missing(folder: Folder, place: str, missing: Mapping[str, int]) -> None:
    counts = ", ".join(
        f"{count} bytes of {'the result' if name == RESULT_FILE else name}" for name, count in sorted(missing.items())
    )
    text = f"{counts} were no longer available on {place} when they should have been copied"
    writer = LogWriter(folder.path)
    writer.publish([Record(0, now_ms(), "error", text, source="system")])
    writer.release()


def _moved(status: dict[str, Any], shift_us: int, node: str) -> dict[str, Any]:
    """A status with its times corrected, and the name of the machine."""
    moved = {**status, "node": status.get("node") or node}
    if shift_us:
        moved["steps"] = [dict(step) for step in moved.get("steps", ())]
        for times in moved, *moved["steps"]:
            for name in "started", "ended":
                if isinstance(times.get(name), int | float):
                    times[name] += shift_us / 1000
    return moved
