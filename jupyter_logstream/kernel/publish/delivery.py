"""Delivery: sends the lines of a spool to the server, exactly once and in order. Runs in kernels.

The workload is created with the spool's key, and each batch names the log's last sequence number: every request is
idempotent and can be repeated, also by the process that adopts the spool. This file must not know what is published.
"""

from __future__ import annotations

import threading
import time
import warnings
from contextlib import suppress
from enum import Enum
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ..connection import fetch
from ..errors import NoServer, NotFound, Rejected, ServerFailed
from ..event_loop import run_sync
from ..reader import backoff_s
from .spool import Batch, Spool, adopt

if TYPE_CHECKING:
    from pathlib import Path

    from ..single_request import Response

CHILD_POLL_INTERVAL_S = 0.5  # between checks for records of forked children

_NDJSON = "application/x-ndjson"
_FINAL_REASONS = frozenset({"ended", "not_external"})  # the workload will never accept records again
_INVALID_REASONS = frozenset({"invalid_field", "invalid_json", "too_large"})  # the batch itself is wrong


class Outcome(Enum):
    """Result of an attempt: SENT (there can be more), EMPTY (nothing to send), AWAY (retry later), OVER (final)."""

    SENT = 1
    EMPTY = 2
    AWAY = 3
    OVER = 4


class Delivery:
    """Sends one spool. `attempt` needs one thread at a time; `workload_id` is thread-safe."""

    def __init__(self, spool: Spool) -> None:
        self.spool = spool
        self._max_lines: int | None = None  # batch size while searching for a line that the server rejects
        self._last_warning = ""

    def workload_id(self, timeout: float | None = None) -> str:
        """The id of the workload, created at the first call. Raises LogStreamError, TimeoutError."""
        if (known := self.spool.sent_to) is not None:
            return known
        created: str = run_sync(fetch("POST", "workloads", body=self.spool.purpose), timeout).json()["id"]
        self.spool.note(created)
        return created

    def attempt(self, timeout: float | None = None) -> Outcome:
        """Send the next batch and block for the response, at most `timeout` seconds."""
        batch = self.spool.read(self._max_lines)
        if batch is None:
            return Outcome.OVER if self.spool.is_closed else Outcome.EMPTY
        try:
            path = f"workloads/{quote(self.workload_id(timeout), safe='')}"
            response = self._send(path, batch, timeout)
        except (NoServer, ServerFailed, TimeoutError):
            return Outcome.AWAY
        except NotFound:
            return self._give_up("the workload was deleted")
        except Rejected as error:
            return self._handle_rejection(error, batch, timeout)
        self._max_lines = None
        self.spool.acknowledge(batch.end, response.json()["last"])
        return Outcome.SENT

    def _send(self, path: str, batch: Batch, timeout: float | None) -> Response:
        params = {"after": self.spool.last}
        return run_sync(fetch("POST", f"{path}/logs", params=params, raw=batch.data, kind=_NDJSON), timeout)

    def _handle_rejection(self, error: Rejected, batch: Batch, timeout: float | None) -> Outcome:
        if error.reason in _FINAL_REASONS:
            return self._give_up("the workload has ended")
        if error.reason in _INVALID_REASONS and self.spool.sent_to is None:
            return self._give_up(str(error))
        if error.reason in _INVALID_REASONS:
            if batch.lines == 1:
                self._warn(f"the server rejected a record, which is skipped: {error}")
                self.spool.acknowledge(batch.end, self.spool.last)
            self._max_lines = max(1, batch.lines // 2)  # bisect for the rejected line
            return Outcome.SENT
        if error.reason == "ahead_of_end":
            return self._find_end(timeout)
        self._warn(f"the server rejected them; they stay in {self.spool.path} and are sent again: {error}")
        return Outcome.AWAY

    def _find_end(self, timeout: float | None) -> Outcome:
        """The server lost acknowledged records; continue after the last one that it has."""
        try:
            info: dict[str, Any] = run_sync(fetch("GET", f"workloads/{self.spool.sent_to}"), timeout).json()
        except (NoServer, ServerFailed, TimeoutError, NotFound, Rejected):
            return Outcome.AWAY
        self._warn(f"the server lost records: it had {self.spool.last} and now has {info['lines']}")
        self.spool.acknowledge(self.spool.begin, info["lines"])
        return Outcome.SENT

    def _give_up(self, why: str) -> Outcome:
        if (batch := self.spool.read()) is not None and batch.lines:
            self._warn(f"{why}; records published since then are dropped")
        return Outcome.OVER

    def _warn(self, text: str) -> None:
        """Warn the user; the same text only once in a row."""
        if text != self._last_warning:
            self._last_warning = text
            name = self.spool.purpose.get("name", self.spool.path.name)
            # A warning filter can turn it into an error, which would end the sending thread.
            with suppress(RuntimeWarning):
                warnings.warn(f"log records published as {name!r}: {text}", RuntimeWarning, stacklevel=2)


# --- spools of processes that are gone --------------------------------------------------------------------------------

_delivering_orphans = threading.Lock()


def deliver_orphans(folder: Path) -> None:
    """Send the orphaned spools in `folder` in the background; no effect while a former call still runs."""
    if _delivering_orphans.acquire(blocking=False):
        threading.Thread(target=_deliver_orphans, args=(folder,), name="jupyter-logstream-orphans", daemon=True).start()


def _deliver_orphans(folder: Path) -> None:
    written: list[Delivery] = []  # by forked children that outlived their parent
    try:
        while True:
            written = [delivery for delivery in written if not _deliver(delivery)]
            for spool in adopt(folder):
                if not _deliver(delivery := Delivery(spool)):
                    written.append(delivery)
            if not written:
                return
            time.sleep(CHILD_POLL_INTERVAL_S)
    finally:
        _delivering_orphans.release()


def _deliver(delivery: Delivery) -> bool:
    """Send what waits in an orphaned spool, then remove it; False if it must be checked for more lines later."""
    failures = 0
    while (outcome := delivery.attempt()) not in {Outcome.EMPTY, Outcome.OVER}:
        failures = failures + 1 if outcome is Outcome.AWAY else 0
        if failures:
            time.sleep(backoff_s(failures))
    if outcome is Outcome.EMPTY:
        return delivery.spool.remove_unless_written()
    delivery.spool.remove()
    return True
