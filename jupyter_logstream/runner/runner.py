"""Runs one workload from start to end: child, output, cancel, final status. Runner; stdlib, no asyncio.

Start the child, write its output to the log, wait for its exit, read the output to its end (until 1 s of silence, at
most 5 s), write the final status. After a cancel or a timeout the status becomes final when no process of the tree is
left, or KILL was sent. If a descendant still holds the output then, a system record reports it, and the runner lingers:
it writes later output to the log, too, until the output ends or the linger time is over.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..model.protocol import State, now_ms
from ..model.records import Record
from ..model.workload import Status, WorkloadSpec
from ..store.disk.files import is_own, remove_own
from ..store.disk.folder import Folder, RunParameters, boot_id
from ..store.disk.layout import OUTPUT
from ..store.disk.writer import LogWriter
from ..text.redactor import Redactor, parse_masks, secret_values
from ..wire.runner_socket import MAX_GRACE_S, Connection, answer
from .child import CannotStart, Child, start, turn_page
from .disk_full import DISK_FULL, DISK_RETRY_S, insist
from .masked_output import MaskedOutput
from .output import read, ready
from .process_tree import descendants, run_cleanup, signal_all, signal_name, wake_on_child_exit
from .requests import Requests
from .result import result_summary
from .stdin import Stdin

if TYPE_CHECKING:
    from .publishing import Publishing

SILENCE_S = 1.0
"""Once the child has exited, its output counts as complete after this time without output ..."""

MAX_DRAIN_S = 5.0
"""... or this time after the exit."""

FLUSH_READS = 2
"""Reads of each output before published records are stored; one returns what a pipe or terminal can hold."""

HELD_S = 0.2
"""The last letters of an unfinished line that could begin a secret are shown after this time without output."""

STOPPING = "stopping"
"""The reason in the status while a cancelled workload's processes end."""


class Runner:
    """One workload. `run` returns when the final status is written and the output has ended or the linger time."""

    def __init__(self, folder: Folder, spec: WorkloadSpec, parameters: RunParameters) -> None:
        self._folder, self._spec, self._parameters = folder, spec, parameters
        self._log = LogWriter(folder.path, keep=parameters.log_bytes, is_mirrored=is_own(folder.host))
        self._selector = selectors.DefaultSelector()
        self._timers: dict[Callable[[], None], float] = {}  # action -> due time, monotonic seconds
        self._status = Status()
        self._child: Child | None = None
        self._stopped_as: State | None = None  # cancelled or timed_out, once the runner has sent TERM
        self._last_output_begun = False  # the child has ended, and the rest of its output is being read
        self._publishing: Publishing | None = None  # once a process of the workload publishes
        self._killed = False
        self._is_stop_requested = False
        self._ended = False
        self._lingering = True

    def run(self, listener: socket.socket) -> None:
        """Start the child and serve requests until the workload has ended."""
        self._requests = Requests(self._selector, listener, self._handle)
        wake_read = wake_on_child_exit()
        self._selector.register(wake_read, selectors.EVENT_READ, lambda fd: os.read(fd, 4096))
        try:
            self._child = start(self._spec, self._folder, self._call(), self._parameters.wrapper)
        except CannotStart as error:
            self._end("failed", error=str(error))
            self._log.close()
            self._close_socket()
            return
        self._status = self._status.move("running", started=now_ms(), pid=self._child.pid, boot=boot_id())
        self._publish_running()
        masks = parse_masks(self._parameters.masks)
        secrets = secret_values(self._spec.env, self._parameters.secret_names)
        redactor = Redactor([*secrets, *masks.values], masks.patterns)
        self._output = MaskedOutput(self._log, redactor, OUTPUT)
        self._publish_redactor = redactor.fork()
        self._stdin = Stdin(self._selector, self._child.stdin)
        for fd in self._child.outputs:
            self._selector.register(fd, selectors.EVENT_READ, self._read)
        if self._spec.timeout is not None:
            self._timers[self._time_out] = time.monotonic() + self._spec.timeout
        while not self._ended:
            self._turn()
        self._linger()

    def _call(self) -> str:
        """Where the process of a function finds its call, and the maximum size of its result."""
        return "" if self._spec.call is None else f"{self._parameters.max_payload_bytes}:{self._folder.path}"

    def _publish_running(self) -> None:
        try:
            self._folder.write_status(self._status)
        except OSError as error:
            if error.errno not in DISK_FULL:
                raise
            self._timers[self._publish_running] = time.monotonic() + DISK_RETRY_S

    def _turn(self) -> None:
        due = min(self._timers.values(), default=None)
        wait = None if due is None else max(due - time.monotonic(), 0)
        for key, _ in self._selector.select(wait):
            if key.fd in self._selector.get_map():  # not closed by an earlier callback
                key.data(key.fd)
        self._publish()
        if self._is_stop_requested:  # before the child is reaped, which may have got the same signal
            self._is_stop_requested = False
            self.stop("cancelled", self._parameters.grace_s)
        self._reap()
        now = time.monotonic()
        for act in [act for act, at in self._timers.items() if at <= now]:
            if self._timers.pop(act, None) is not None:  # not cancelled by an earlier one
                act()

    # --- output -------------------------------------------------------------------------------------------------------

    def _read(self, fd: int) -> None:
        child = self._running()
        chunk = read(fd)
        if not chunk:
            self._close_output(fd)
            return
        if self._on_silence in self._timers:
            self._timers[self._on_silence] = time.monotonic() + SILENCE_S
        self._write(child.outputs[fd], chunk)
        turn_page(child, chunk)

    def _write(self, source: str, chunk: bytes, *, last: bool = False) -> None:
        if self._output.write(source, chunk, last=last):
            self._timers[self._release] = time.monotonic() + HELD_S
        self._pause_if_blocked()

    def _release(self) -> None:
        """Show the last letters of unfinished lines that are held back, since no more output comes."""
        if not self._output.is_blocked:
            self._output.release()
            self._pause_if_blocked()

    def _pause_if_blocked(self) -> None:
        """Read no more output while some waits for disk space: nothing is dropped, the child blocks."""
        if self._output.is_blocked:
            for fd in self._running().outputs:
                self._selector.unregister(fd)
            self._timers[self._retry] = time.monotonic() + DISK_RETRY_S
            for held in self._on_silence, self._finish:
                self._timers.pop(held, None)

    def _retry(self) -> None:
        if not self._output.retry():
            self._timers[self._retry] = time.monotonic() + DISK_RETRY_S
            return
        for fd in self._running().outputs:
            self._selector.register(fd, selectors.EVENT_READ, self._read)
        if self._last_output_begun:
            self._last_output()
        else:
            self._check_exit(tree_is_gone=False)

    def _close_output(self, fd: int) -> None:
        self._selector.unregister(fd)
        os.close(fd)
        self._write(self._running().outputs.pop(fd), b"", last=True)
        if self._last_output_begun and not self._running().outputs and not self._output.is_blocked:
            self._finish()

    def _publish(self) -> None:
        """Store the records that wait, behind the output that was written before; none while the disk is full."""
        if self._publishing is None or not self._publishing.is_waiting:
            return
        for _ in range(FLUSH_READS):
            for fd in ready(self._running().outputs) if not self._output.is_blocked else ():
                if fd in self._selector.get_map():
                    self._read(fd)
        try:
            if not self._output.is_blocked:
                self._publishing.store()
        except OSError as error:
            if error.errno not in DISK_FULL:
                raise
            self._timers[self._publish] = time.monotonic() + DISK_RETRY_S

    # --- end of the workload ------------------------------------------------------------------------------------------

    def _reap(self) -> None:
        """Reap the child and adopted orphans."""
        child, tree_is_gone = self._running(), False
        while True:
            try:
                pid, exit_status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:  # orphans are adopted, so without children there are no descendants
                tree_is_gone = True
                break
            if pid == 0:
                break
            if pid == child.pid and child.exit is None:
                child.exit = exit_status
        self._check_exit(tree_is_gone)

    def _check_exit(self, tree_is_gone: bool) -> None:
        """Begin to read the last output when the child has exited and, after a stop, its tree is gone or was killed."""
        if self._last_output_begun or self._running().exit is None or self._output.is_blocked:
            return
        if self._stopped_as is None or self._killed or tree_is_gone:
            self._last_output_begun = True
            self._last_output()

    def _last_output(self) -> None:
        if self._ended:
            return
        if not self._running().outputs:
            self._finish()
            return
        self._timers[self._on_silence] = time.monotonic() + SILENCE_S
        self._timers[self._finish] = time.monotonic() + MAX_DRAIN_S

    def _on_silence(self) -> None:
        self._finish()

    def _finish(self) -> None:
        """Write the final status, once."""
        child = self._running()
        if self._ended or child.exit is None:
            return
        killed = os.WTERMSIG(child.exit) if os.WIFSIGNALED(child.exit) else None
        code = os.WEXITSTATUS(child.exit) if os.WIFEXITED(child.exit) else None
        run_cleanup(self._parameters.cleanup)
        for source in child.outputs.values():
            self._output.flush(source)
        if self._publishing is not None:
            insist(self._publishing.store)
        if child.outputs:
            self._report_detached()
        if self._stopped_as == "timed_out":
            error: str | None = f"ran longer than its timeout of {self._spec.timeout:g} s"
        else:
            by_signal = f"ended by signal {signal_name(killed)}" if killed else None
            error = self._folder.read_end_reason() or by_signal if self._stopped_as is None else None
        self._end(
            self._stopped_as or ("succeeded" if code == 0 else "failed"), exit_code=code, signal=killed, error=error
        )

    def _report_detached(self) -> None:
        held_by = descendants(os.getpid())
        who = f"process {', '.join(map(str, held_by[:8]))}" if held_by else "another process"
        linger = f"the next {self._parameters.linger_s:g} s of its output are added to this log"
        text = f"the workload has ended, but {who} still holds its output; {linger}"
        insist(lambda: self._log.publish([Record(0, now_ms(), "warn", text, source="system")]))

    def _end(self, state: State, **known: Any) -> None:
        tally = insist(self._log.end)
        if self._spec.call is not None:
            known["result"] = result_summary(self._folder)
        self._status = self._status.move(state, ended=now_ms(), boot=boot_id(), **known, reason="")
        insist(lambda: self._folder.write_status(self._status, **tally.summary()))
        self._timers.clear()
        self._ended = True
        self._requests.disconnect()

    def _linger(self) -> None:
        """Write the output of descendants that outlive the workload to its log, for a bounded time; then close the log.

        Descriptors are closed then: a descendant that writes later gets EIO or SIGPIPE, like one whose terminal closed.
        """
        ended_with = self._log.tally
        self._timers[self._stop_lingering] = time.monotonic() + self._parameters.linger_s
        while (self._running().outputs and self._lingering) or self._output.is_blocked:
            self._turn()
        for fd, source in self._running().outputs.items():
            self._output.flush(source)
            os.close(fd)
        tally = insist(self._log.close)
        if tally != ended_with:
            insist(lambda: self._folder.write_status(self._status, **tally.summary()))
        self._close_socket()

    def _stop_lingering(self) -> None:
        self._lingering = False

    def _close_socket(self) -> None:
        remove_own(self._folder.control)
        self._requests.close()

    # --- requests -----------------------------------------------------------------------------------------------------

    def stop_soon(self) -> None:
        """Cancel the workload at the next turn: for signals, which come at any point and wake the loop."""
        self._is_stop_requested = True

    def stop(self, state: State, grace_s: float) -> None:
        """Send TERM to the whole tree, KILL after the grace time; `state`: the final one.

        A later call can only shorten the grace time.
        """
        child, kill_at = self._running(), time.monotonic() + grace_s
        if self._stopped_as is not None and self._kill in self._timers:
            self._timers[self._kill] = min(kill_at, self._timers[self._kill])
        if self._stopped_as is not None or child.exit is not None:
            return
        self._stopped_as = state
        self._timers[self._kill] = kill_at
        self._timers.pop(self._time_out, None)
        self._status = replace(self._status, reason=STOPPING)
        self._publish_running()
        self._requests.notify()
        signal_all(os.getpid(), child.pid, signal.SIGTERM)

    def _time_out(self) -> None:
        self.stop("timed_out", self._parameters.grace_s)

    def _kill(self) -> None:
        """Kill the remaining tree, also after the child itself has exited."""
        run_cleanup(self._parameters.cleanup)
        signal_all(os.getpid(), None, signal.SIGKILL)
        self._killed = True
        self._check_exit(tree_is_gone=False)

    def _handle(self, connection: Connection, request: dict[str, Any], payload: bytes) -> None:
        do = request.get("do")
        grace = request.get("grace")
        if do == "cancel" and isinstance(grace, (int, float)) and 0 <= grace <= MAX_GRACE_S:
            self.stop("cancelled", grace)
            connection.send(answer())
        elif do == "watch":
            connection.send(answer())
            self._requests.watch(connection)
        elif do == "publish":
            self._requests.keep(connection)
            self._published().put(connection, payload)
        elif do == "input":
            self._stdin.put(payload, connection, last=request.get("eof") is True)
        else:
            connection.send(answer("unknown_request"))

    def _published(self) -> Publishing:
        if self._publishing is None:
            from .publishing import Publishing  # noqa: PLC0415 - most workloads only write output

            self._publishing = Publishing(self._log, self._publish_redactor)
        return self._publishing

    def _running(self) -> Child:
        assert self._child is not None  # noqa: S101 - nothing is served before it is started
        return self._child
