"""A workload whose log is the lines of files that other programs write, as by `tail -F`. Runner; stdlib, no asyncio.

The runner itself reads the files; no child process is started. It only reads: files are never locked, changed or
created. The workload runs until it is cancelled or times out. Lines of several files are stored as whole lines; a
record `==> NAME <==` begins a step of the file's name wherever the lines of another file follow.
"""

from __future__ import annotations

import os
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Any

from ..model.protocol import State, now_ms
from ..model.records import Record
from ..model.unprintable import UNPRINTABLE_IN_NAME
from ..model.workload import Status, WorkloadSpec
from ..store.disk.folder import Folder, RunParameters, boot_id, remove_own
from ..store.disk.writer import LogWriter
from ..text.redactor import Redactor, parse_masks, secret_values
from ..wire.runner_socket import MAX_GRACE_S, Connection, answer
from .disk_full import DISK_FULL, DISK_RETRY_S, insist
from .followed_file import FollowedFile
from .followed_paths import FollowedPaths
from .requests import Requests
from .watches import Watches

HELD_S = 0.2
"""The last letters of an unfinished line that could begin a secret are shown after this time without new bytes."""

OPEN_LINE_S = 5.0
"""An unfinished line is given up after this time if another file has lines."""

_UPDATE_INTERVAL_S = 0.05  # between looks at the paths while there is something to read
_FOLDERS_INTERVAL_S = 1.0
_COALESCE_S = 0.002  # lines written within it are stored together
_MAX_LAST_READ_S = 2.0
_MAX_REASON_CHARS = 300
_SOURCE = "stdout"


class Follower:
    """Follows the files of one workload. `run` returns when the final status is written.

    Bound: one read of each file; while the disk is full nothing is read.
    """

    def __init__(self, folder: Folder, spec: WorkloadSpec, parameters: RunParameters) -> None:
        self._folder, self._spec = folder, spec
        self._log = LogWriter(folder.path, keep=parameters.log_bytes)
        masks = parse_masks(parameters.masks)
        secrets = secret_values(spec.env, parameters.secret_names)
        self._redactor = Redactor([*secrets, *masks.values], masks.patterns)
        self._redactors: dict[FollowedFile, Redactor] = {}
        self._selector = selectors.DefaultSelector()
        self._paths = FollowedPaths(spec.follow or {"paths": []}, spec.cwd)
        self._watches = Watches(self._selector, poll=bool((spec.follow or {}).get("poll")))
        self._status = Status()
        self._unwritten: deque[Callable[[], object]] = deque()  # writes that wait for disk space
        self._owner: FollowedFile | None = None  # the file of the last line
        self._shown_name = ""
        self._is_line_open = False
        self._stopped_as: State | None = None
        self._next_update = self._next_folders = 0.0
        self._deadline = float("inf") if spec.timeout is None else time.monotonic() + spec.timeout

    def run(self, listener: socket.socket) -> None:
        """Follow, and serve requests, until the workload is cancelled or times out."""
        self._requests = Requests(self._selector, listener, self._handle)
        self._status = self._status.move("running", started=now_ms(), pid=os.getpid(), boot=boot_id())
        insist(lambda: self._folder.write_status(self._status))
        self._requests.notify()
        while self._stopped_as is None:
            self._turn()
        self._finish(self._stopped_as)

    def _turn(self) -> None:
        progress = self._follow()
        pause_s = 0.0 if progress else max(0.0, min(self._pause_s(), self._deadline - time.monotonic()))
        ready = self._selector.select(pause_s)
        for key, _ in ready:
            if key.fd in self._selector.get_map():  # not closed by an earlier callback
                key.data(key.fd)
        if ready and not progress:
            time.sleep(_COALESCE_S)
        if time.monotonic() >= self._deadline and self._stopped_as is None:
            self._stopped_as = "timed_out"

    def _pause_s(self) -> float:
        if self._unwritten:
            return DISK_RETRY_S
        is_holding = any(redactor.holds_few for redactor in self._redactors.values())
        return min(self._watches.wait_s, HELD_S if is_holding else float("inf"))

    # --- reading ------------------------------------------------------------------------------------------------------

    def _follow(self) -> bool:
        """Read what is new; returns whether there can be more at once."""
        if not self._flush():
            return False
        progress = self._read_files()
        now = time.monotonic()
        if progress and now < self._next_update:
            return True
        self._next_update = now + _UPDATE_INTERVAL_S
        self._paths.update()
        self._report(self._paths.reports())
        for file in self._paths.expired():
            self._close(file, now + _MAX_LAST_READ_S)
        self._watch_folders(now)
        progress = self._read_files() or progress
        self._show_reason()
        self._watches.looked(progress)
        if not progress:
            self._release()
        return progress

    def _read_files(self) -> bool:
        files = self._paths.files()
        whole_lines = self._paths.shows_names or len(files) > 1
        progress = False
        for target in self._paths:
            for file in target.files():
                if not self._may_write(file):
                    break
                data = file.read(whole_lines=whole_lines)
                if reports := file.reports():
                    if self._owner is file:
                        self._end_line(file)  # it is not continued
                    self._report(reports)
                if data:
                    self._write(file, data)
                    progress = True
                    break  # a newer file of the path has its turn when this one is read to its end
        return progress

    def _may_write(self, file: FollowedFile) -> bool:
        """Whether lines of a file can follow now: not while a line of another one is being written."""
        owner = self._owner
        is_free = owner is None or owner is file or not self._is_line_open
        return is_free or (owner is not None and time.monotonic() - owner.changed >= OPEN_LINE_S)

    def _write(self, file: FollowedFile, data: bytes) -> None:
        if self._owner is not file:
            self._switch_to(file)
        redactor = self._redactors.setdefault(file, self._redactor.fork())
        before = redactor.masked
        self._append(redactor.feed(data), redactor.masked - before)

    def _append(self, output: bytes, masked: int) -> None:
        if output:
            self._put(partial(self._log.write, _SOURCE, output, masked))
            self._is_line_open = not output.endswith(b"\n")

    def _switch_to(self, file: FollowedFile) -> None:
        if self._is_line_open and self._owner is not None:
            self._end_line(self._owner)
        self._owner = file
        if self._paths.shows_names and file.name != self._shown_name:
            self._shown_name = file.name
            name = UNPRINTABLE_IN_NAME.sub("\N{REPLACEMENT CHARACTER}", self._redactor.mask(_displayed(file.name)))
            self._publish(Record(0, now_ms(), "unknown", f"==> {name} <==", step=name[:200], source="log"))

    def _end_line(self, file: FollowedFile) -> None:
        """Store what is held back of a file, and make a record of its unfinished line."""
        if (redactor := self._redactors.get(file)) is not None:
            before = redactor.masked
            self._append(redactor.finish(), redactor.masked - before)
        if self._is_line_open:
            self._put(partial(self._log.finish_line, _SOURCE))
            self._is_line_open = False

    def _release(self) -> None:
        """Show the last letters of an unfinished line that are held back, since no more bytes come."""
        owner = self._owner
        if owner is not None and owner in self._redactors and time.monotonic() - owner.changed >= HELD_S:
            self._append(self._redactors[owner].release(), 0)

    def _close(self, file: FollowedFile, deadline: float) -> None:
        """Store the rest of a file that ends here, an unfinished line included, and close it."""
        while time.monotonic() < deadline and (data := file.read(whole_lines=False)):
            self._write(file, data)
        if self._owner is file:
            self._end_line(file)
        elif file in self._redactors and (rest := self._redactors[file].finish()):  # held back when others followed
            self._switch_to(file)
            self._append(rest, 0)
            self._end_line(file)
        self._redactors.pop(file, None)
        if self._owner is file:
            self._owner = None
        file.close()

    # --- writing ------------------------------------------------------------------------------------------------------

    def _put(self, write: Callable[[], object]) -> None:
        """Write behind what waits; a full disk makes it wait."""
        self._unwritten.append(write)
        self._flush()

    def _flush(self) -> bool:
        """Write what waits; returns whether all is written."""
        while self._unwritten:
            try:
                self._unwritten[0]()
            except OSError as error:
                if error.errno not in DISK_FULL:
                    raise
                return False
            self._unwritten.popleft()
        return True

    def _publish(self, record: Record) -> None:
        self._put(lambda: self._log.publish([record]))

    def _report(self, texts: Iterable[str]) -> None:
        for text in texts:
            self._publish(Record(0, now_ms(), "warn", self._redactor.mask(_displayed(text)), source="system"))

    def _show_reason(self) -> None:
        reason = _displayed(self._paths.waiting_for())[:_MAX_REASON_CHARS]
        if reason != self._status.reason:
            try:
                self._folder.write_status(replace(self._status, reason=reason))
            except OSError as error:
                if error.errno not in DISK_FULL:
                    raise
                return  # the next look tries again
            self._status = replace(self._status, reason=reason)
            self._requests.notify()

    def _watch_folders(self, now: float) -> None:
        if now >= self._next_folders:
            self._next_folders = now + _FOLDERS_INTERVAL_S
            self._watches.watch(self._paths.folders())

    # --- end ----------------------------------------------------------------------------------------------------------

    def _handle(self, connection: Connection, request: dict[str, Any], _: bytes) -> None:
        do, grace = request.get("do"), request.get("grace")
        if do == "cancel" and isinstance(grace, (int, float)) and 0 <= grace <= MAX_GRACE_S:
            self._stopped_as = self._stopped_as or "cancelled"
            connection.send(answer())
        elif do == "watch":
            connection.send(answer())
            self._requests.watch(connection)
        else:
            connection.send(answer("no_stdin" if do == "input" else "unknown_request"))

    def _finish(self, state: State) -> None:
        """Read what is there, unfinished lines included, and write the final status."""
        deadline = time.monotonic() + _MAX_LAST_READ_S
        while self._flush() and self._read_files() and time.monotonic() < deadline:
            pass
        while not self._flush():
            time.sleep(DISK_RETRY_S)
        for file in self._paths.files():
            self._close(file, deadline)
        while not self._flush():
            time.sleep(DISK_RETRY_S)
        tally = insist(self._log.close)
        error = f"followed for its timeout of {self._spec.timeout:g} s" if state == "timed_out" else None
        self._status = self._status.move(state, ended=now_ms(), boot=boot_id(), error=error, reason="")
        insist(lambda: self._folder.write_status(self._status, **tally.summary()))
        self._requests.disconnect()
        remove_own(self._folder.control)
        self._requests.close()


def _displayed(text: str) -> str:
    """`text` with U+FFFD for bytes that are not UTF-8."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
