"""Delivery: what a spool holds goes to the server, once and in order, whichever of them dies. Runs in kernels.

The workload is made by the spool's own key, and each batch says where the log ended when it was made: so every call may
be repeated, by this process or by the one that takes the spool in after it. This file must not know what is published.
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
from .spool import Batch, Spool, take_in

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

_NDJSON = "application/x-ndjson"
_OVER = frozenset({"ended", "not_external"})  # reasons for which the workload will take nothing ever again
_BAD = frozenset({"invalid_field", "invalid_json", "too_large"})  # reasons that lie in what was sent


class Outcome(Enum):
    """What came of an attempt: it was SENT (there may be more), nothing is left (EMPTY), later (AWAY), never (OVER)."""

    SENT = 1
    EMPTY = 2
    AWAY = 3
    OVER = 4


class Delivery:
    """Sends one spool. One thread at a time calls `attempt`; `workload_id` may be called by any."""

    def __init__(self, spool: Spool) -> None:
        self.spool = spool
        self._most: int | None = None  # lines in a batch, while the server finds fault with one of them
        self._said = ""

    def workload_id(self, timeout: float | None = None) -> str:
        """The id of the workload, which is made if need be. Raises LogStreamError, TimeoutError."""
        if (known := self.spool.sent_to) is not None:
            return known
        made: str = run_sync(fetch("POST", "workloads", body=self.spool.purpose), timeout).json()["id"]
        self.spool.note(made)
        return made

    def attempt(self, timeout: float | None = None) -> Outcome:
        """Send the next batch; blocks for the answer, at most `timeout` seconds."""
        batch = self.spool.read(self._most)
        if batch is None:
            return Outcome.OVER if self.spool.is_closed else Outcome.EMPTY
        try:
            path = f"workloads/{quote(self.workload_id(timeout), safe='')}"
            answer = self._send(path, batch, timeout)
        except (NoServer, ServerFailed, TimeoutError):
            return Outcome.AWAY
        except NotFound:
            return self._give_up("the workload was deleted")
        except Rejected as error:
            return self._refused(error, batch, timeout)
        self._most = None
        self.spool.acknowledge(batch.end, answer.json()["last"])
        return Outcome.SENT

    def _send(self, path: str, batch: Batch, timeout: float | None) -> httpx.Response:
        params = {"after": self.spool.last}
        return run_sync(fetch("POST", f"{path}/logs", params=params, raw=batch.data, kind=_NDJSON), timeout)

    def _refused(self, error: Rejected, batch: Batch, timeout: float | None) -> Outcome:
        if error.reason in _OVER:
            return self._give_up("the workload has ended")
        if error.reason in _BAD and self.spool.sent_to is None:
            return self._give_up(str(error))
        if error.reason in _BAD:
            if batch.lines == 1:
                self._say(f"the server refuses a record, which is left out: {error}")
                self.spool.acknowledge(batch.end, self.spool.last)
            self._most = max(1, batch.lines // 2)  # find the one
            return Outcome.SENT
        if error.reason == "ahead_of_end":
            return self._find_end(timeout)
        self._say(f"the server refuses them; they wait in {self.spool.path}: {error}")
        return Outcome.AWAY

    def _find_end(self, timeout: float | None) -> Outcome:
        """The server has lost records that it had acknowledged; what is unsent still goes behind those it has."""
        try:
            info: dict[str, Any] = run_sync(fetch("GET", f"workloads/{self.spool.sent_to}"), timeout).json()
        except (NoServer, ServerFailed, TimeoutError, NotFound, Rejected):
            return Outcome.AWAY
        self._say(f"of {self.spool.last} records that the server had, it has {info['lines']}")
        self.spool.acknowledge(self.spool.begin, info["lines"])
        return Outcome.SENT

    def _give_up(self, why: str) -> Outcome:
        if (batch := self.spool.read()) is not None and batch.lines:
            self._say(f"{why}; what was published since is dropped")
        return Outcome.OVER

    def _say(self, text: str) -> None:
        """Tell the user, once in a row."""
        if text != self._said:
            self._said = text
            name = self.spool.purpose.get("name", self.spool.path.name)
            # Filters may make an error of it, which here would end the thread that sends.
            with suppress(RuntimeWarning):
                warnings.warn(f"log records published as {name!r}: {text}", RuntimeWarning, stacklevel=2)


# --- what processes have left behind that are gone -------------------------------------------------------------------

_looking = threading.Lock()


def deliver_left(folder: Path) -> None:
    """Send, in the background, what processes that are gone have left in `folder`; one look at a time."""
    if _looking.acquire(blocking=False):
        threading.Thread(target=_deliver_left, args=(folder,), name="jupyter-logstream-left", daemon=True).start()


def _deliver_left(folder: Path) -> None:
    try:
        for spool in take_in(folder):
            _deliver(spool)
    finally:
        _looking.release()


def _deliver(spool: Spool) -> None:
    delivery, failures = Delivery(spool), 0
    while (outcome := delivery.attempt()) not in {Outcome.EMPTY, Outcome.OVER}:
        failures = failures + 1 if outcome is Outcome.AWAY else 0
        if failures:
            time.sleep(backoff_s(failures))
    spool.remove()
