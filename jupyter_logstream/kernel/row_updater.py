"""Sender of recorded calls to the request log, from another thread. Runs in kernels; needs a server to send to."""

from __future__ import annotations

import atexit
import concurrent.futures
import logging
import threading
from uuid import uuid4

from ..wire.call_meter import Fields
from .connection import fetch
from .errors import LogStreamError
from .event_loop import run_in_background

EXIT_TIMEOUT_S = 2.0  # how long a Python that exits waits for updates that are not sent yet
_log = logging.getLogger("jupyter_logstream")


class RowUpdater:
    """Sends one row to the server, in order; changes during a request go with the next. The first error is logged."""

    _open: set[concurrent.futures.Future[None]] = set()  # noqa: RUF012 - of all rows
    _has_warned = False

    def __init__(self, fields: Fields) -> None:
        self._key = uuid4().hex
        self._id: str | None = None
        self._pending: Fields = {}
        self._is_sending = False
        self._lock = threading.Lock()
        self.update(fields)

    def update(self, fields: Fields) -> None:
        """Change fields; returns at once. Fields that are None are not sent."""
        with self._lock:
            self._pending.update({name: value for name, value in fields.items() if value is not None})
            if self._is_sending or not self._pending:
                return
            self._is_sending = True
        sending = run_in_background(self._send())
        self._open.add(sending)
        sending.add_done_callback(self._open.discard)

    async def _send(self) -> None:
        while True:
            with self._lock:
                fields, self._pending = self._pending, {}
                if not fields:
                    self._is_sending = False
                    return
            try:
                if self._id is None:
                    answer = await fetch("POST", "requests", body={"key": self._key, **fields})
                    self._id = answer.json()["id"]
                else:
                    await fetch("PATCH", f"requests/{self._id}", body=fields)
            except LogStreamError as error:  # a call never fails because it cannot be recorded
                if not RowUpdater._has_warned:
                    _log.warning("Calls are not recorded in the request log: %s", error)
                RowUpdater._has_warned = True
                return

    @classmethod
    def wait(cls) -> None:
        """Wait up to EXIT_TIMEOUT_S for updates that are not sent yet."""
        concurrent.futures.wait(list(cls._open), EXIT_TIMEOUT_S)


atexit.register(RowUpdater.wait)
