"""Outbox of a process in a workload on another machine than the server: publishes by the workload's runner.

Runs in workloads. `put` appends to a bounded queue; one thread per outbox sends, and the runner answers when records
are stored. Nothing is sent twice. This file must not know where records come from.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import weakref
from collections import deque
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any

from ...model.protocol import OUTPUT_VARIABLE, WORKLOAD_VARIABLE
from ...wire.runner_socket import MAX_PUBLISH_RECORDS, request, socket_path
from ..discovery import find_runner
from .encoding import Encoder, missing_notice
from .outbox import FLUSH_TIMEOUT_S, THREAD_PREFIX, Outbox

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import TextIO

MAX_QUEUE_BYTES = 16 << 20
"""Limit of the queue. At the limit `put` waits for the runner, then drops records and counts them."""

PUT_TIMEOUT_S = 1.0
"""How long `put` waits for room; not again until the runner has stored something."""

BATCH_BYTES = 1 << 18
"""A batch ends with the record that exceeds this size."""

_BATCH_RECORDS = MAX_PUBLISH_RECORDS // 2
_MAX_ANSWER_BYTES = 1 << 16


class RunnerOutbox:
    """Publishes into the log of the workload that this process is part of; see `Outbox` for the methods.

    A record is in the log, or in memory until the runner has taken it: what a killed process had not sent is lost. In a
    forked child `put` sends, and waits for the answer. If the runner is gone, records are dropped, and their number is
    written to standard error at the end.
    """

    def __init__(self, path: Path) -> None:
        self.workload_id = os.environ.get(WORKLOAD_VARIABLE, "")
        self._encoder = Encoder()
        self.mask = self._encoder.mask
        self._runner = _Runner(path)
        self._changed = threading.Condition()  # of all that follows
        self._lines: deque[bytes] = deque()  # not yet answered
        self._bytes = 0
        self._dropped = 0  # since the last record that was accepted
        self._put_timeout, self._flush_timeout = PUT_TIMEOUT_S, FLUSH_TIMEOUT_S
        self._lost = 0  # because the runner is gone, or did not take them
        self._why_lost = ""
        self._is_closed = self._is_gone = self._is_child = False
        _live.add(self)
        threading.Thread(target=self._run, name=f"{THREAD_PREFIX}-outbox", daemon=True).start()

    def put(
        self,
        message: str,
        *,
        level: str | None = None,
        ts: float | None = None,
        step: str | None = None,
        fields: Mapping[str, Any] | None = None,
    ) -> None:
        """Publish a record; see `Outbox.put`. No effect after `end`."""
        if self._is_closed:
            return
        line = self._encoder.line(message, level, ts, step, fields)
        with self._changed:
            if self._is_gone:
                self._lost += 1
            elif self._is_child:
                self._send([line])
            elif self._has_room(len(line)):
                if notice := missing_notice(self._dropped, "the runner did not take them in time"):
                    self._lines.append(notice)
                    self._bytes += len(notice)
                self._dropped = 0
                self._lines.append(line)
                self._bytes += len(line)
                self._changed.notify_all()
            else:
                self._dropped += 1

    def flush(self) -> bool:
        """Wait until all records are stored, FLUSH_TIMEOUT_S at most; False: some are not."""
        with self._changed:
            stored = self._changed.wait_for(lambda: not self._lines, self._flush_timeout)
            if not stored:
                self._flush_timeout = FLUSH_TIMEOUT_S / 30  # a runner that hangs delays the program once only
            return stored

    def end(self, state: str, *, wait: bool = True) -> None:  # noqa: ARG002 - the workload ends with its process
        """Accept no more records and `flush` if `wait`. The workload goes on. No effect when repeated."""
        with self._changed:
            if self._is_closed:
                return
            self._is_closed = True
            self._changed.notify_all()
        if wait:
            self.flush()
            self._report()

    def _has_room(self, size: int) -> bool:
        def fits() -> bool:
            return self._bytes + size <= MAX_QUEUE_BYTES or self._is_gone

        if not fits() and not self._changed.wait_for(fits, self._put_timeout):
            self._put_timeout = 0
            return False
        return not self._is_gone

    def _report(self) -> None:
        """Write the number of lost records to standard error, which can be closed."""
        with self._changed:
            waiting = 0 if self._is_gone else len(self._lines)
            count = self._lost + self._dropped + waiting
            why = self._why_lost or "the runner did not take them in time"
            self._lost = self._dropped = 0
        if count and sys.stderr is not None:
            with suppress(OSError, ValueError):
                sys.stderr.write(f"jupyter-logstream: {count} log records were not stored: {why}\n")
                sys.stderr.flush()

    # --- sending ------------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        limit = _BATCH_RECORDS
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._lines or self._is_closed)
                if not self._lines or self._is_gone:
                    return
                batch = self._next(limit)
            problem = self._runner.publish(batch)
            with self._changed:
                if problem and len(batch) > 1 and not self._runner.is_gone:
                    limit = len(batch) // 2  # bisect for the record that is refused
                    continue
                limit = _BATCH_RECORDS
                self._settle(len(batch), problem)

    def _next(self, limit: int) -> list[bytes]:
        batch: list[bytes] = []
        size = 0
        for line in islice(self._lines, limit):
            batch.append(line)
            size += len(line)
            if size > BATCH_BYTES:
                break
        return batch

    def _settle(self, count: int, problem: str) -> None:
        """Remove records from the queue that were stored, or lost because of a problem."""
        for _ in range(count):
            self._bytes -= len(self._lines.popleft())
        if problem:
            self._lost += count
            self._why_lost = problem
        else:
            self._put_timeout, self._flush_timeout = PUT_TIMEOUT_S, FLUSH_TIMEOUT_S
        if self._runner.is_gone:
            self._is_gone = True
            self._lost += len(self._lines)
            self._lines.clear()
            self._bytes = 0
        self._changed.notify_all()

    def _send(self, lines: Sequence[bytes]) -> None:
        """In a forked child: there is no thread, and nothing of the child survives its end."""
        if problem := self._runner.publish(lines, FLUSH_TIMEOUT_S):
            self._is_gone = self._runner.is_gone
            self._lost, self._why_lost = len(lines), problem
            self._report()

    def become_child(self) -> None:
        """After a fork: the parent sends what waits, by its own connection."""
        self._changed = threading.Condition()
        self._runner.close()
        self._runner = _Runner(self._runner.path)
        self._lines, self._bytes, self._lost, self._dropped = deque(), 0, 0, 0
        self._is_child = True


class _Runner:
    """The connection to the runner, made at the first batch. `is_gone`: it ended; it is not tried again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_gone = False
        self._socket: socket.socket | None = None

    def publish(self, lines: Sequence[bytes], timeout: float | None = None) -> str:
        """Send records and wait until they are stored, at most `timeout` seconds; returns why they are not, or ""."""
        data = b"".join(lines)
        try:
            if self._socket is None:
                self._socket = self._connected(timeout)
            self._socket.sendall(request("publish", size=len(data)) + data)
            answer = self._answer(self._socket)
        except (OSError, EOFError) as error:
            self.is_gone = True
            return f"the runner of this workload cannot be reached ({error})"
        return str(answer.get("error", ""))

    def close(self) -> None:
        """Close this process's end of the connection."""
        if self._socket is not None:
            self._socket.close()

    def _connected(self, timeout: float | None) -> socket.socket:
        made = socket.socket(socket.AF_UNIX)
        made.settimeout(timeout)
        try:
            with socket_path(self.path) as path:
                made.connect(path)
        except OSError:
            made.close()
            raise
        return made

    @staticmethod
    def _answer(runner: socket.socket) -> dict[str, Any]:
        found = b""
        while not found.endswith(b"\n"):
            more = runner.recv(4096)
            if not more or len(found) > _MAX_ANSWER_BYTES:
                raise EOFError("it has ended")
            found += more
        answer: dict[str, Any] = json.loads(found)
        return answer


_live: weakref.WeakSet[RunnerOutbox] = weakref.WeakSet()


def _in_child() -> None:
    for outbox in list(_live):
        outbox.become_child()


os.register_at_fork(after_in_child=_in_child)


def open_outbox(name: str | None = None, tags: Mapping[str, str] | None = None) -> Outbox | RunnerOutbox:
    """The outbox of a new workload; in a workload on another machine than the server, that of this workload.

    Raises NoServer when there is neither.
    """
    runner = find_runner()
    return Outbox(name, tags) if runner is None else RunnerOutbox(runner)


def is_read_by_runner(stream: TextIO) -> bool:
    """Whether the runner reads what is written to a stream, so that it is in the log already."""
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError, AttributeError):  # it is no file, or closed
        return False
    return f"{found.st_dev}:{found.st_ino}" in os.environ.get(OUTPUT_VARIABLE, "").split(",")
