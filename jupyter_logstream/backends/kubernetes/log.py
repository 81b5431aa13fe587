"""Copy of a pod's log, for images in which the runner cannot run. Server; stdlib.

`kubectl logs` repeats lines when it is opened again, and loses some when the kubelet rotates the log.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

from ..engine_log import EngineLog
from ..pipe import CommandPipe
from ..protocol import CannotReach
from .api import Kubectl
from .manifest import CONTAINER

_FIRST_RETRY_S, _MAX_RETRY_S = 0.2, 10.0
_LAST_TIMEOUT_S = 60.0
_STAMP = re.compile(rb"(\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)) ")
_READ_BYTES = 256 << 10


class PodLog:
    """Copies the log of a pod into `log`. Lines that are here are recognised by their time stamps."""

    def __init__(self, kubectl: Kubectl, pod: str, log: EngineLog) -> None:
        self._kubectl, self._pod, self._log = kubectl, pod, log
        self._last = b""  # the time stamp of the last line
        self._count = 0  # lines with this stamp that are here
        self._skip = log.position  # bytes from an earlier server that were not read again yet

    async def follow(self, is_over: Callable[[], bool]) -> None:
        """Copy until the pod has ended and the rest is read; an ended stream is opened again. OSError: of the log here.

        What cannot be read after the end is reported in the log.
        """
        pause_s = _FIRST_RETRY_S
        while not is_over():
            before = self._log.position
            await self._copy("--follow")
            pause_s = _FIRST_RETRY_S if self._log.position > before else min(2 * pause_s, _MAX_RETRY_S)
            await asyncio.sleep(pause_s)
        try:
            problem = await asyncio.wait_for(self._copy(), _LAST_TIMEOUT_S)
        except asyncio.TimeoutError:
            problem = "no answer"
        if problem:
            self._log.note("error", f"the rest of the pod's log could not be read: {problem}")

    async def _copy(self, *options: str) -> str:
        """Read the log once, from the last line that is here; returns what went wrong."""
        since = [f"--since-time={self._last.decode()}"] if self._last else []
        argv = self._kubectl.argv("logs", self._pod, "-c", CONTAINER, "--timestamps", *since, *options)
        try:
            pipe = await CommandPipe.open(argv)
        except CannotReach as error:
            return str(error)
        reader = StampedLines(self._last, self._count, self._skip)
        try:
            while data := await pipe.reader.read(_READ_BYTES):
                self._add(reader, data)
            self._add(reader, b"")
            return pipe.error() if await pipe.wait() else ""
        finally:
            await pipe.close()

    def _add(self, reader: StampedLines, data: bytes) -> None:
        if new := reader.feed(data):
            self._log.append(self._log.position, new)
        self._last, self._count, self._skip = reader.last, reader.count, reader.skip


class StampedLines:
    """Takes stamps off lines, and leaves out lines that are here: those up to the `count`th with the stamp `last`.

    `skip`: bytes that are here from an earlier server, which stored no stamp. Bound: one line of the engine's.
    """

    def __init__(self, last: bytes, count: int, skip: int) -> None:
        self.last, self.count = last, count
        self.skip = skip
        self._known, self._unseen = last, count
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        """The new lines in these bytes, without stamps; empty data: the end."""
        self._rest += data
        whole, newline, self._rest = self._rest.rpartition(b"\n") if data else (self._rest, b"", b"")
        lines = (whole + newline).split(b"\n")  # not at carriage returns, as `splitlines`
        return b"".join(map(self._new, [*(line + b"\n" for line in lines[:-1]), *filter(None, lines[-1:])]))

    def _new(self, line: bytes) -> bytes:
        match = _STAMP.match(line)
        stamp, text = (match[1], line[match.end() :]) if match else (self.last, line)
        if self._known and _moment(stamp) < _moment(self._known):
            return b""
        if stamp == self._known and self._unseen:
            self._unseen -= 1
            return b""
        self.count = self.count + 1 if stamp == self.last else 1
        self.last = stamp
        dropped, self.skip = min(self.skip, len(text)), max(self.skip - len(text), 0)
        return text[dropped:]


def _moment(stamp: bytes) -> tuple[bytes, bytes]:
    """What stamps are ordered by: their fractions can have different lengths."""
    seconds, _, fraction = stamp.partition(b".")
    return seconds.rstrip(b"Z"), fraction.rstrip(b"Z").ljust(9, b"0")
