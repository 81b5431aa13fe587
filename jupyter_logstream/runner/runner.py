"""One workload from its start to its end. Runs in the runner; stdlib, no asyncio (start-up), no HTTP.

Life: start the child, write down what it says, take its exit, read its output to the end (1 s of silence, at most 5 s),
write the final status. A descendant that still holds the output then is told of by a system record, and what it writes
is drained, so that it doesn't die of it.
"""

from __future__ import annotations

import errno
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from ..model.protocol import State, now_ms
from ..model.records import Record
from ..model.workload import Status, WorkloadSpec
from ..store.disk.folder import Folder, boot_id
from ..store.disk.layout import OUTPUT
from ..store.disk.writer import LogWriter
from ..text.masking import SECRET_NAMES, Masker, secret_values
from ..wire.runner_socket import Connection, answer
from .child import CannotStart, Child, start
from .output import read
from .process_tree import descendants, signal_all
from .stdin import Stdin

SILENCE = 1.0  # seconds without output after which a child's output counts as read, once it has exited
LONGEST_DRAIN = 5.0
DISK_RETRY = 0.5
T = TypeVar("T")
_DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Runner:
    """One workload from start to end: `run()` returns when its final status is written and nobody holds its output."""

    def __init__(
        self, folder: Folder, spec: WorkloadSpec, *, keep: int, grace: float, secret_names: Sequence[str] = SECRET_NAMES
    ) -> None:
        self._folder, self._spec, self._grace, self._secret_names = folder, spec, grace, secret_names
        self._log = LogWriter(folder.path, keep=keep)
        self._maskers: dict[str, Masker] = {}  # by source
        self._selector = selectors.DefaultSelector()
        self._timers: dict[Callable[[], None], float] = {}  # when it is due, by the monotonic clock
        self._status = Status()
        self._child: Child | None = None
        self._why: State | None = None  # the final state that we have asked for: cancelled or timed_out
        self._unwritten: tuple[str, bytes, int] | None = None  # read and masked, but the disk was full
        self._ended = False
        self._kill_at: float | None = None

    def run(self, listener: socket.socket) -> None:
        """Start the child and serve it to its end."""
        self._selector.register(listener, selectors.EVENT_READ, _Served(listener, self._accept))
        wake_read = _wake_on_child_exit()
        self._selector.register(wake_read, selectors.EVENT_READ, lambda fd: os.read(fd, 4096))
        try:
            self._child = start(self._spec, self._folder.id)
        except CannotStart as error:
            self._end("failed", error=str(error))
            return
        self._status = self._status.move("running", started=now_ms(), pid=self._child.pid, boot=boot_id())
        self._tell_running()
        secrets = secret_values(self._spec.env, self._secret_names)
        self._maskers = {source: Masker(secrets) for source in OUTPUT}
        self._stdin = Stdin(self._selector, self._child.stdin)
        for fd in self._child.outputs:
            self._selector.register(fd, selectors.EVENT_READ, self._read)
        if self._spec.timeout is not None:
            self._timers[self._time_out] = time.monotonic() + self._spec.timeout
        while not self._ended:
            self._turn()
        self._drain()

    def _tell_running(self) -> None:
        try:
            self._folder.write_status(self._status)
        except OSError as error:
            if error.errno not in _DISK_FULL:
                raise
            self._timers[self._tell_running] = time.monotonic() + DISK_RETRY

    def _turn(self) -> None:
        due = min(self._timers.values(), default=None)
        wait = None if due is None else max(due - time.monotonic(), 0)
        for key, _ in self._selector.select(wait):
            if key.fd in self._selector.get_map():  # not let go of by an earlier one
                key.data(key.fd)
        self._reap()
        now = time.monotonic()
        for act in [act for act, at in self._timers.items() if at <= now]:
            if self._timers.pop(act, None) is not None:  # not called off by an earlier one
                act()

    # --- output -------------------------------------------------------------------------------------------------------

    def _read(self, fd: int) -> None:
        child = self._running()
        chunk = read(fd)
        if not chunk:
            self._let_go(fd)
            return
        if self._fall_silent in self._timers:
            self._timers[self._fall_silent] = time.monotonic() + SILENCE
        self._write(child.outputs[fd], chunk)

    def _write(self, source: str, chunk: bytes, *, last: bool = False) -> None:
        told, masked = self._mask(source, chunk, last=last)
        if not told:
            return
        try:
            self._log.write(source, told, masked)
        except OSError as error:
            if error.errno not in _DISK_FULL:
                raise
            # Nothing is dropped: the child waits until there is room again.
            self._unwritten = source, told, masked
            for fd in self._running().outputs:
                self._selector.unregister(fd)
            self._timers[self._retry] = time.monotonic() + DISK_RETRY
            for held in self._fall_silent, self._finish:
                self._timers.pop(held, None)

    def _mask(self, source: str, chunk: bytes, *, last: bool) -> tuple[bytes, int]:
        """What can be told, and how many secrets were replaced in it.

        What may be the beginning of a secret is held back until more comes, or the last.
        """
        masker = self._maskers[source]
        before = masker.masked
        told = masker.feed(chunk) + masker.finish() if last else masker.feed(chunk)
        return told, masker.masked - before

    def _retry(self) -> None:
        assert self._unwritten is not None  # noqa: S101 - the timer is only set with it
        try:
            self._log.write(*self._unwritten)
        except OSError as error:
            if error.errno not in _DISK_FULL:
                raise
            self._timers[self._retry] = time.monotonic() + DISK_RETRY
            return
        self._unwritten = None
        for fd in self._running().outputs:
            self._selector.register(fd, selectors.EVENT_READ, self._read)
        if self._running().exit is not None:
            self._last_output()

    def _let_go(self, fd: int) -> None:
        self._selector.unregister(fd)
        os.close(fd)
        self._write(self._running().outputs.pop(fd), b"", last=True)
        if self._running().exit is not None and not self._running().outputs and self._unwritten is None:
            self._finish()

    # --- the end ------------------------------------------------------------------------------------------------------

    def _reap(self) -> None:
        """Take the exits of the child and of orphans that became ours."""
        child = self._running()
        while True:
            try:
                pid, exit_status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == child.pid and child.exit is None:
                child.exit = exit_status
                if self._unwritten is None:
                    self._last_output()

    def _last_output(self) -> None:
        if not self._running().outputs:
            self._finish()
            return
        self._timers[self._fall_silent] = time.monotonic() + SILENCE
        self._timers[self._finish] = time.monotonic() + LONGEST_DRAIN

    def _fall_silent(self) -> None:
        self._finish()

    def _finish(self) -> None:
        """Write the end, unless it is written."""
        child = self._running()
        if self._ended or child.exit is None:
            return
        killed = os.WTERMSIG(child.exit) if os.WIFSIGNALED(child.exit) else None
        code = os.WEXITSTATUS(child.exit) if os.WIFEXITED(child.exit) else None
        for source in child.outputs.values():
            tail = self._mask(source, b"", last=True)
            if tail[0]:
                _insist(partial(self._log.write, source, *tail))
        if child.outputs:
            self._tell_detached()
        if self._why == "timed_out":
            error: str | None = f"ran longer than its timeout of {self._spec.timeout:g} s"
        else:
            error = f"ended by signal {_signal_name(killed)}" if killed and self._why is None else None
        self._end(self._why or ("succeeded" if code == 0 else "failed"), exit_code=code, signal=killed, error=error)

    def _tell_detached(self) -> None:
        held_by = descendants(os.getpid())
        who = f"process {', '.join(map(str, held_by[:8]))}" if held_by else "another process"
        text = f"the workload has ended, but {who} still holds its output; what comes now is not kept"
        _insist(lambda: self._log.publish([Record(0, now_ms(), "warn", text, source="system")]))

    def _end(self, state: State, **known: Any) -> None:
        tally = _insist(self._log.close)
        self._status = self._status.move(state, ended=now_ms(), boot=boot_id(), **known)
        _insist(lambda: self._folder.write_status(self._status, **tally.summary()))
        self._folder.control.unlink(missing_ok=True)
        for key in list(self._selector.get_map().values()):
            if isinstance(key.data, _Served):
                self._selector.unregister(key.fileobj)
                key.data.socket.close()
        self._timers.clear()
        self._ended = True

    def _drain(self) -> None:
        """Read for a descendant that still holds the output, so that it isn't killed or blocked by it.

        After a cancel or a timeout what is left of the tree still gets its KILL when the grace time is over.
        """
        outputs = self._child.outputs if self._child else {}
        while outputs or self._kill_at is not None:
            if self._kill_at is not None:
                if not descendants(os.getpid()):
                    self._kill_at = None
                elif self._kill_at <= time.monotonic():
                    self._kill()
                    self._kill_at = None
                if self._kill_at is None:
                    continue
            for key, _ in self._selector.select(None if self._kill_at is None else 0.2):
                if key.fd in outputs and not read(key.fd):
                    self._selector.unregister(key.fd)
                    os.close(key.fd)
                    del outputs[key.fd]
                elif key.fd not in outputs:
                    key.data(key.fd)  # the wake-up: orphans are reaped
            self._reap()

    # --- what we are asked --------------------------------------------------------------------------------------------

    def stop(self, why: State, grace: float) -> None:
        """TERM to the whole tree, KILL after the grace time. Once is enough: later calls change nothing."""
        child = self._running()
        if self._why is not None or child.exit is not None:
            return
        self._why = why
        self._kill_at = self._timers[self._kill] = time.monotonic() + grace
        self._timers.pop(self._time_out, None)
        signal_all(os.getpid(), child.pid, signal.SIGTERM)

    def _time_out(self) -> None:
        self.stop("timed_out", self._grace)

    def _kill(self) -> None:
        """What is left of the tree; also after the child itself has gone."""
        signal_all(os.getpid(), None, signal.SIGKILL)

    def _accept(self, listener: socket.socket) -> None:
        try:
            connection = Connection(listener.accept()[0])
        except OSError:  # gone again, or no descriptor is left: it waits in line
            time.sleep(0.05)
            return
        served = _Served(connection.socket, lambda _: self._serve(connection))
        self._selector.register(connection.socket, selectors.EVENT_READ, served)

    def _serve(self, connection: Connection) -> None:
        requests = connection.read()
        if requests is None:
            self._selector.unregister(connection.socket)
            connection.socket.close()
            return
        for asked, payload in requests:
            self._obey(connection, asked, payload)

    def _obey(self, connection: Connection, asked: dict[str, Any], payload: bytes) -> None:
        do = asked.get("do")
        grace = asked.get("grace")
        if do == "cancel" and isinstance(grace, int | float):
            self.stop("cancelled", grace)
            connection.send(answer())
        elif do == "watch":
            connection.send(answer())
        elif do == "input":
            self._stdin.put(payload, connection, last=asked.get("eof") is True)
        else:
            connection.send(answer("unknown_request"))

    def _running(self) -> Child:
        assert self._child is not None  # noqa: S101 - nothing is served before it is started
        return self._child


class _Served:
    """A socket in the selector and what to do when it can be read."""

    def __init__(self, sock: socket.socket, act: Callable[[socket.socket], None]) -> None:
        self.socket, self._act = sock, act

    def __call__(self, _: int) -> None:
        self._act(self.socket)


def _insist(write: Callable[[], T]) -> T:
    """Write what must not be lost: wait for as long as the disk is full."""
    while True:
        try:
            return write()
        except OSError as error:
            if error.errno not in _DISK_FULL:
                raise
            time.sleep(DISK_RETRY)


def _wake_on_child_exit() -> int:
    read, write = os.pipe()
    for fd in read, write:
        os.set_blocking(fd, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    return read


def _signal_name(number: int) -> str:
    return signal.Signals(number).name if number in set(signal.Signals) else str(number)
