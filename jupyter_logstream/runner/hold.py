"""Start of a workload in a container, which is kept until the log is copied. Runner; stdlib.

`runner.pyz hold PACKAGE ROOT`, the first process there. PACKAGE holds `order.json` and, named by their hashes, the
files of the order. Without `order.json` the server delivers the workload over a pipe into the container.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

from ..model.protocol import FINAL
from ..store.disk.files import make_private
from ..store.disk.folder import Folder
from ..wire.delivery import Order
from . import control
from .detach import was_started
from .place import Place, Refused
from .sender import status_of

LINGER_S = 600.0
"""Seconds for which the container stays after the workload's end, or waits for its delivery, without a server."""

_STOPPED_LINGER_S = 5.0  # once the engine wants the container to end: it KILLs it soon
_POLL_S = 0.1
_MAX_REASON_CHARS = 150
_REFUSED = 3
_HELD = "held"  # by which the server knows that the image has Python
_TERMINATION_LOG = Path("/dev/termination-log")


class Holder:
    """Keeps the container of the workload in `folder`, and ends the workload when the engine ends the container."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._was_there = False
        self._linger_s = LINGER_S
        self._since = time.monotonic()
        self._is_stopped = False

    def catch_signals(self) -> None:
        """Before the workload starts: without handlers, the first process of a container gets no signal."""
        for number in signal.SIGINT, signal.SIGHUP, signal.SIGTERM:
            signal.signal(number, lambda *_: self._stop())

    def run(self) -> None:
        """Return when the server has deleted the folder, or did not come for the linger time."""
        if self._is_stopped:  # while the workload started
            self._stop()
        while not self._is_done():
            _reap()
            time.sleep(_POLL_S)
        self._leave_end()

    def _stop(self) -> None:
        self._is_stopped, self._linger_s = True, _STOPPED_LINGER_S
        control.cancel(self._folder)

    def _leave_end(self) -> None:
        """Leave the final state to the engine, for a server that comes too late for the log."""
        status = status_of(self._folder.path)
        if status is not None and status.get("state") in FINAL:
            reason = str(status.get("error") or status.get("reason") or "")[:_MAX_REASON_CHARS]
            _leave(json.dumps({"state": status["state"], "exit_code": status.get("exit_code"), "reason": reason}))

    def _is_done(self) -> bool:
        there = self._folder.path.is_dir()
        self._was_there = self._was_there or there
        if not there:
            is_unused = self._is_stopped or time.monotonic() - self._since > self._linger_s
            return self._was_there or is_unused
        status = status_of(self._folder.path)
        is_running = self._folder.is_locked() or not was_started(self._folder)
        if is_running and (status is None or status.get("state") not in FINAL):
            self._since = time.monotonic()
        return time.monotonic() - self._since > self._linger_s


def hold(package: str, root: str) -> int:
    """Start the workload of a package, and keep the container. Returns the exit code."""
    box, place = Path(package), Place(Path(root))
    holder = Holder(place.folder((box / "id").read_text()))
    holder.catch_signals()
    try:
        make_private(place.root)
        (place.root / _HELD).touch()
        if (box / "order.json").exists():
            _start(box, place, Order.from_json(json.loads((box / "order.json").read_bytes())))
    except (Refused, OSError) as error:
        return _refuse(f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else str(error))
    holder.run()
    return 0


def _start(box: Path, place: Place, order: Order) -> None:
    """Start the workload with the files of the package. Raises Refused, OSError."""
    place.files.missing(order)  # creates the folder of sent files
    for blob in order.blobs():
        place.files.add(blob, box / blob.sha256)
    place.start(order)


def _refuse(text: str) -> int:
    sys.stderr.write(f"jupyter-logstream: {text}\n")
    _leave(text)
    return _REFUSED


def _leave(text: str) -> None:
    """Write the message that the engine reports of the ended container."""
    with suppress(OSError):
        _TERMINATION_LOG.write_text(text)


def _reap() -> None:
    """Let ended processes go, as the first process of a container has to."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
