"""A workload whose log is the lines of files that other programs write, as by `tail -F`. Runner; stdlib, no asyncio.

The runner itself reads the files; no child process is started. It only reads: files are never locked, changed or
created. The workload runs until it is cancelled or times out; a runner that was killed is continued by another one.
"""

from __future__ import annotations

import os
import selectors
import socket
import time
from dataclasses import replace
from typing import Any

from ..model.protocol import State, now_ms
from ..model.workload import Status, WorkloadSpec
from ..store.disk.files import remove_own
from ..store.disk.folder import Folder, RunParameters, boot_id
from ..wire.runner_socket import MAX_GRACE_S, Connection, answer
from .disk_full import DISK_FULL, DISK_RETRY_S, insist
from .followed_log import HELD_S, FollowedLog, displayed
from .followed_paths import FollowedPaths
from .requests import Requests
from .runner import STOPPING
from .watches import Watches

_UPDATE_INTERVAL_S = 0.05  # between checks of the paths while there is something to read
_FOLDERS_INTERVAL_S = 1.0
_COALESCE_S = 0.002  # lines written within it are stored together
_MAX_LAST_READ_S = 2.0
_MAX_REASON_CHARS = 300


class Follower:
    """Follows the files of one workload. `run` returns when the final status is written.

    Bound: one read of each file; while the disk is full nothing is read.
    """

    def __init__(self, folder: Folder, spec: WorkloadSpec, parameters: RunParameters) -> None:
        self._folder, self._spec = folder, spec
        self._log = FollowedLog(folder, spec, parameters)
        self._selector = selectors.DefaultSelector()
        self._paths = FollowedPaths(spec.follow or {"paths": []}, spec.cwd, self._log.restored)
        self._log.shows_names = self._paths.shows_names
        self._watches = Watches(self._selector, poll=bool((spec.follow or {}).get("poll")))
        self._status = Status()
        self._stopped_as: State | None = None
        self._next_update = self._next_folders = 0.0
        self._deadline = float("inf")

    def run(self, listener: socket.socket) -> None:
        """Follow, and serve requests, until the workload is cancelled or times out."""
        self._requests = Requests(self._selector, listener, self._handle)
        self._begin()
        self._requests.notify()
        while self._stopped_as is None:
            self._turn()
        self._finish(self._stopped_as)

    def _begin(self) -> None:
        """Record that it runs, since when an earlier runner began; one that was being cancelled ends."""
        earlier, _ = self._folder.read_status()
        if earlier.state == "running":
            self._status = replace(earlier, pid=os.getpid(), boot=boot_id())
            self._stopped_as = "cancelled" if earlier.reason == STOPPING else None
        else:
            self._status = Status().move("running", started=now_ms(), pid=os.getpid(), boot=boot_id())
        if self._spec.timeout is not None:
            ran_s = (now_ms() - (self._status.started or now_ms())) / 1000
            self._deadline = time.monotonic() + self._spec.timeout - ran_s
        insist(lambda: self._folder.write_status(self._status))

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
        if not self._log.flush():
            return DISK_RETRY_S
        return min(self._watches.wait_s, HELD_S if self._log.holds_few else float("inf"))

    # --- reading ------------------------------------------------------------------------------------------------------

    def _follow(self) -> bool:
        """Read what is new; returns whether there can be more at once."""
        if not self._log.flush():
            return False
        progress = self._read_files()
        now = time.monotonic()
        if progress and now < self._next_update:
            return True
        self._next_update = now + _UPDATE_INTERVAL_S
        self._paths.update()
        self._log.report(self._paths.reports())
        for file in self._paths.expired():
            self._log.close_file(file, now + _MAX_LAST_READ_S)
        self._log.track(self._paths.files(), self._paths.positions)
        self._watch_folders(now)
        progress = self._read_files() or progress
        if self._stopped_as is None:
            self._show(displayed(self._paths.waiting_for())[:_MAX_REASON_CHARS])
        self._watches.checked(progress)
        if not progress:
            self._log.release()
        return progress

    def _read_files(self) -> bool:
        files = self._paths.files()
        whole_lines = self._paths.shows_names or len(files) > 1
        progress = False
        for target in self._paths:
            for file in target.files():
                if not self._log.may_write(file):
                    break
                data = file.read(whole_lines=whole_lines)
                if reports := file.reports():
                    self._log.end_line(file)  # it is not continued
                    self._log.report(reports)
                    progress = True  # its beginning is read next
                if data:
                    self._log.write(file, data)
                    progress = True
                    break  # a newer file of the path has its turn when this one is read to its end
        return progress

    def _show(self, reason: str) -> None:
        if reason == self._status.reason:
            return
        try:
            self._folder.write_status(replace(self._status, reason=reason))
        except OSError as error:
            if error.errno not in DISK_FULL:
                raise
            return  # the next check tries again
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
            self._show(STOPPING)  # another runner cancels it if this one is killed now
            connection.send(answer())
        elif do == "watch":
            connection.send(answer())
            self._requests.watch(connection)
        else:
            connection.send(answer("no_stdin" if do == "input" else "unknown_request"))

    def _finish(self, state: State) -> None:
        """Read what is there, unfinished lines included, and write the final status."""
        self._follow()
        deadline = time.monotonic() + _MAX_LAST_READ_S
        while self._log.flush() and self._read_files() and time.monotonic() < deadline:
            pass
        self._log.flush_all()
        for file in self._paths.files():
            self._log.close_file(file, deadline)
        self._log.flush_all()
        summary = self._log.close()
        error = f"followed for its timeout of {self._spec.timeout:g} s" if state == "timed_out" else None
        self._status = self._status.move(state, ended=now_ms(), boot=boot_id(), error=error, reason="")
        insist(lambda: self._folder.write_status(self._status, **summary))
        self._log.forget_positions()
        self._requests.disconnect()
        remove_own(self._folder.control)
        self._requests.close()
