"""One connection of a mirror: applies the remote end's frames to the replica here. Server.

Everything is written before it is acknowledged. A full disk here stops the reading, so that the bytes wait on the
remote machine. A final state counts only when sizes and checksums of all files agree; what differs is requested again.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..model.protocol import FINAL, STATES, now_ms
from ..model.records import Record
from ..store.disk.folder import Folder, write_json
from ..store.disk.layout import FILES, LAYOUT, SEGMENT
from ..store.disk.replica import MirrorState, OffsetMismatch, Replica
from ..store.disk.writer import LogWriter
from ..wire.mirror_frames import (
    BEAT_INTERVAL_S,
    MIRROR_VERSION,
    SEGMENT_FILE,
    SIDECAR_FILES,
    SILENCE_TIMEOUT_S,
    BadFrame,
    FrameDecoder,
    encode,
)
from .pipe import Pipe
from .protocol import CannotReach, CannotSend

_READ_BYTES = 1 << 20
_DISK_RETRY_S = 0.5
_DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_MAX_CHECKS = 3  # of one file, before its difference is reported instead
MIN_SHIFT_S = 1.0
"""A clock that is wrong by less is left as it is."""


@dataclass
class Launch:
    """Files to put into the remote folder, and the answer to its start. `is_sent`: it may have been started."""

    files: Mapping[str, bytes]
    started: asyncio.Future[dict[str, Any]]
    is_sent: bool = False


@dataclass
class Known:
    """What a mirror knows of its workload; `changed` is called after each change.

    `final`: the state is final and its log verified. `complete`: nothing more follows. `forgotten`: the remote folder
    is deleted.
    """

    changed: Callable[[], None]
    node: str = ""
    state: str = "queued"
    reason: str = ""
    exit_code: int | None = None
    link_up: bool = False
    problem: str = ""
    final: bool = False
    complete: bool = False
    forgotten: bool = False
    checks: dict[str, int] = field(default_factory=dict)


class Session:
    """One connection. `run` returns when it ends, or when the mirror is complete. Bound: one frame."""

    def __init__(
        self, pipe: Pipe, folder: Folder, replica: Replica, state: MirrorState, known: Known, launch: Launch | None
    ) -> None:
        self._pipe, self._folder, self._replica, self._state, self._known = pipe, folder, replica, state, known
        self._launch = launch
        self._decoder = FrameDecoder(greeting=True)
        self._acks: dict[str, int] = {}
        self._requested: dict[str, int] = {}  # size at which a file was requested to be continued
        self._inputs: dict[int, asyncio.Future[None]] = {}
        self._input_count = 0
        self.was_up = False
        self._is_paused = False
        self._last_read = 0.0
        self._is_following = False
        self._is_closing = False

    async def run(self) -> None:
        """Apply frames. Raises BadFrame, CannotReach (a fault there), OSError (of a file here)."""
        self._last_read = asyncio.get_running_loop().time()
        beats = asyncio.ensure_future(self._beat())
        try:
            while not self._is_closing and (data := await self._pipe.reader.read(_READ_BYTES)):
                for fields, payload in self._decoder.feed(data):
                    await self._apply(fields, payload)
                self._last_read = asyncio.get_running_loop().time()
                if self._acks:
                    self._send({"ack": self._acks})
                    self._acks = {}
            if self._decoder.preamble:
                raise CannotReach(self._decoder.preamble[-300:])
        except ConnectionError:
            pass  # as the end of the connection
        finally:
            beats.cancel()
            self._known.link_up = False
            for waiting in self._inputs.values():
                if not waiting.done():
                    waiting.set_exception(CannotReach("the connection was lost before the input was acknowledged"))

    # --- requests -----------------------------------------------------------------------------------------------------

    def cancel(self, grace_s: float) -> None:
        """Send a cancel; the state keeps it until it is answered."""
        self._send({"cancel": grace_s})

    async def input(self, data: bytes, *, eof: bool) -> None:
        """Send input and wait until the child's pipe accepted it. Raises CannotSend, CannotReach."""
        self._input_count = number = self._input_count + 1
        self._inputs[number] = waiting = asyncio.get_running_loop().create_future()
        self._send({"input": number, "eof": eof}, data)
        await waiting

    def forget(self) -> None:
        """Delete the remote folder; the connection ends with the answer."""
        self._send({"forget": True})

    def _send(self, fields: dict[str, Any], payload: bytes | None = None) -> None:
        with contextlib.suppress(ConnectionError, RuntimeError):  # closing: the reader notices it
            self._pipe.writer.write(encode(fields, payload))

    async def _beat(self) -> None:
        """Send heartbeats; close the connection if nothing came for SILENCE_TIMEOUT_S."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(BEAT_INTERVAL_S)
            self._send({"beat": now_ms()})
            if loop.time() - self._last_read > SILENCE_TIMEOUT_S and not self._is_paused:
                self._pipe.reader.feed_eof()

    # --- frames -------------------------------------------------------------------------------------------------------

    async def _apply(self, fields: dict[str, Any], payload: bytes) -> None:
        try:
            if "file" in fields:
                await self._append(fields["file"], fields["offset"], payload)
            elif "replace" in fields:
                await self._replace(fields["replace"], payload)
            elif "truncate" in fields:
                self._truncate(fields["truncate"], fields["to"])
            elif "status" in fields and "final" not in fields:
                self._status(fields["status"])
            elif "final" in fields:
                await self._final(fields)
            elif "hello" in fields:
                self._hello(fields)
            elif "beat" in fields:
                self._clock(fields["beat"], fields["now"])
            else:
                self._answer(fields)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise error if isinstance(error, BadFrame) else BadFrame(f"{error!r} in {sorted(fields)}") from error

    def _hello(self, fields: dict[str, Any]) -> None:
        if fields["hello"] != MIRROR_VERSION or fields["layout"] != LAYOUT:
            raise CannotReach(f"the runner there speaks version {fields['hello']}, this server {MIRROR_VERSION}")
        self._known.node = str(fields["node"])
        self._known.link_up, self._known.problem = True, ""
        self.was_up = True
        if self._launch is None and not fields["there"]:
            self._lost("its folder there is gone")
            self._known.forgotten = self._is_closing = True
            return
        if self._launch is not None and not self._launch.started.done():
            self._launch.is_sent = True
            for name, content in self._launch.files.items():
                self._send({"put": name}, content)
            self._send({"start": True})
        if self._state.cancel_grace_s is not None:
            self.cancel(self._state.cancel_grace_s)
        self._send({"beat": now_ms()})  # its answer starts the copying, with the clock known

    def _clock(self, sent_ms: float, there_ms: float) -> None:
        """Measure the clock there, once per workload; then request what is missing here."""
        if self._is_following:
            return
        now = now_ms()
        if self._state.shift_us is None:
            ahead_ms = there_ms - (sent_ms + now) / 2
            is_certain = abs(ahead_ms) > max(MIN_SHIFT_S * 1000, (now - sent_ms) / 2)
            self._state.shift_us = -round(ahead_ms * 1000) if is_certain else 0
            self._state.save()
        self._replica.shift_us = self._state.shift_us
        self._is_following = True
        self._send({"have": self._replica.sizes()})
        self._known.changed()

    async def _append(self, name: str, offset: int, data: bytes) -> None:
        if offset == 0:
            self._count_unavailable(name)
        try:
            size = await self._insist(lambda: self._replica.append(name, offset, data))
        except OffsetMismatch as mismatch:
            size = mismatch.size
            if offset > size and self._requested.get(name) != size:
                self._requested[name] = size
                self._send({"have": {name: size}})
            if offset > size or offset + len(data) <= size:
                return
            size = await self._insist(lambda: self._replica.append(name, size, data[size - offset :]))
        self._requested.pop(name, None)
        self._acks[name] = size

    async def _replace(self, name: str, data: bytes) -> None:
        if name not in SIDECAR_FILES:
            raise BadFrame(f"{name!r} is no sidecar file of a log")
        await self._insist(lambda: self._replica.replace(name, data))

    def _truncate(self, name: str, size: int | None) -> None:
        if size is None:
            self._replica.remove(name)
        else:
            self._replica.truncate(name, size)

    async def _insist(self, write: Callable[[], Any]) -> Any:
        """Write; while the disk here is full, nothing more is read, and nothing is lost. Raises other OSErrors."""
        while True:
            try:
                result = write()
            except OSError as error:
                if error.errno not in _DISK_FULL:
                    raise
                self._pause("the disk of this server is full; the log waits there")
                await asyncio.sleep(_DISK_RETRY_S)
            else:
                if self._is_paused:
                    self._pause("")
                return result

    def _pause(self, problem: str) -> None:
        """Report why nothing is read; "" when it is again."""
        self._is_paused = problem != ""
        self._last_read = asyncio.get_running_loop().time()
        if self._known.problem != problem:
            self._known.problem = problem
            self._known.changed()

    def _count_unavailable(self, name: str) -> None:
        """Count the bytes before a new segment that the remote end no longer had."""
        match = SEGMENT_FILE.fullmatch(name)
        if not match or match[1] not in FILES or int(match[2]) == 0:
            return
        number, sizes = int(match[2]), self._replica.sizes()
        ends = [n * SEGMENT + sizes[f"{match[1]}.{n:03d}"] for n in range(number) if f"{match[1]}.{n:03d}" in sizes]
        if missing := number * SEGMENT - max(ends, default=0):
            self._state.unavailable[match[1]] = self._state.unavailable.get(match[1], 0) + missing
            self._state.save()

    # --- states -------------------------------------------------------------------------------------------------------

    def _status(self, status: dict[str, Any]) -> None:
        if status.get("state") not in STATES - FINAL:
            raise BadFrame(f"the state {status.get('state')!r}")
        self._store_status(status)
        self._known.state, self._known.reason = status["state"], str(status.get("reason") or "")
        self._known.changed()

    def _store_status(self, status: dict[str, Any]) -> None:
        write_json(self._folder.path / "status.json", _moved(status, self._replica.shift_us, self._known.node))

    async def _final(self, fields: dict[str, Any]) -> None:
        """Accept a final state if everything is here, else request what differs."""
        files: dict[str, list[int]] = fields["final"]
        bad = await asyncio.to_thread(self._differing, files)
        again = {name: have for name, have in bad.items() if self._known.checks.get(name, 0) < _MAX_CHECKS}
        if again:
            for name, have in again.items():
                self._known.checks[name] = self._known.checks.get(name, 0) + 1
                if have == 0:
                    self._replica.truncate(name, 0)
            self._requested.clear()
            self._send({"have": again})
            return
        for name in bad:
            base = name.partition(".")[0]
            self._state.unavailable[base] = self._state.unavailable.get(base, 0) + files[name][0]
        if (fields["complete"] is True or "lost" in fields) and self._state.unavailable:
            self._replica.close()
            await asyncio.to_thread(_report_unavailable, self._folder, self._known.node, self._state.unavailable)
        if "lost" in fields:
            self._lost(str(fields["lost"]))
            self.forget()
        else:
            await self._accept(fields["status"], complete=fields["complete"] is True)

    def _differing(self, files: Mapping[str, list[int]]) -> dict[str, int]:
        """Files that differ from those there, and where to continue them: at 0 if their content differs."""
        found = {}
        for name, (size, crc) in files.items():
            have = self._replica.checksum(name, size)
            if have != crc:
                found[name] = self._replica.sizes().get(name, 0) if have is None else 0
        return found

    async def _accept(self, status: dict[str, Any], *, complete: bool) -> None:
        if status["state"] not in FINAL:
            raise BadFrame(f"the final state {status['state']!r}")
        if not self._known.final:
            await self._insist(self._replica.end)
            await self._insist(lambda: self._store_status(status))
            self._known.state, self._known.reason = status["state"], str(status.get("reason") or "")
            self._known.exit_code = status.get("exit_code")
            self._known.final, self._known.complete = True, complete
        else:  # the totals of late output
            await self._insist(lambda: self._store_status(status))
            self._known.complete = complete
        if complete:
            self.forget()
        self._known.changed()

    def _lost(self, reason: str) -> None:
        """The mirror reports it when it has released the log: the engine ends the log then."""
        self._known.state, self._known.reason = "lost", reason
        self._known.final = self._known.complete = True

    def _answer(self, fields: dict[str, Any]) -> None:
        if "started" in fields:
            if self._launch is not None and not self._launch.started.done():
                self._launch.started.set_result(fields["started"])
                self._known.state = fields["started"]["state"] if self._known.state == "queued" else self._known.state
        elif "taken" in fields:
            waiting = self._inputs.pop(fields["taken"], None)
            if waiting is not None and not waiting.done():
                error = fields.get("error")
                waiting.set_exception(CannotSend(str(error))) if error else waiting.set_result(None)
        elif "cancelled" in fields:
            self._state.cancel_grace_s = None
            self._state.save()
        elif "forgotten" in fields:
            self._known.forgotten = self._is_closing = True
        elif "fault" in fields:
            raise CannotReach(str(fields["fault"]))


def _report_unavailable(folder: Folder, node: str, unavailable: Mapping[str, int]) -> None:
    """Publish what the remote end no longer had, as a system record of the log. Blocks."""
    missing = ", ".join(f"{count} bytes of {name}" for name, count in sorted(unavailable.items()))
    text = f"{missing} were no longer available on {node} when they should have been copied"
    writer = LogWriter(folder.path)
    writer.publish([Record(0, now_ms(), "error", text, source="system")])
    writer.release()


def _moved(status: dict[str, Any], shift_us: int, node: str) -> dict[str, Any]:
    """A status with its times corrected, and the name of the machine."""
    moved = {**status, "node": status.get("node") or node}
    if shift_us:
        for times in moved, *moved.get("steps", ()):
            for name in "started", "ended":
                if isinstance(times.get(name), (int, float)):
                    times[name] += shift_us / 1000
    return moved
