"""Outbox: the publishing end of one external workload. Runs in kernels, workloads and scripts.

`put` formats a record and appends it to the spool; one thread per outbox sends. An accepted record survives the death
of this process, and the caller never waits for the server. This file must not know where records come from
(log_handler.py and capture.py do).
"""

from __future__ import annotations

import os
import sys
import threading
import time
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ...model.unprintable import UNPRINTABLE_IN_NAME
from ..errors import LogStreamError
from ..event_loop import run_sync
from ..reader import backoff_s
from .delivery import CHILD_POLL_INTERVAL_S, Delivery, Outcome, deliver_orphans
from .encoding import Encoder, encode_line, missing_notice
from .spool import Spool

if TYPE_CHECKING:
    from collections.abc import Mapping

BATCH_INTERVAL_S = 0.1
"""Interval between batches. The first record after an idle time is sent at once ..."""

BATCH_RECORDS = 500
"""... and so is a batch of this many waiting records."""

FLUSH_TIMEOUT_S = 3.0
"""How long the end of a block or process waits for the server; another process sends the rest later."""

THREAD_PREFIX = "jupyter-logstream"
"""Prefix of the names of our threads: what they log is about our own requests and is not published."""


class Outbox:
    """Publishes the records of one workload, which is created with the first record or access to its id.

    Raises NoServer when no server is known; a known one need not be running. `put` needs one thread at a time. A forked
    child can call `put`, too; this process sends. The spool is bounded: `put` counts and reports what did not fit.
    """

    def __init__(self, name: str | None = None, tags: Mapping[str, str] | None = None) -> None:
        key = uuid4().hex
        self._encoder = Encoder()
        label = self.mask(_label(name or program_name()))
        purpose: dict[str, Any] = {"backend": "external", "key": key, "name": label}
        if tags:
            purpose["tags"] = {self.mask(tag): self.mask(value) for tag, value in _check_tags(tags).items()}
        folder = spool_folder()
        self._spool = Spool.create(folder, key, purpose)
        self._delivery = Delivery(self._spool)
        self._sending = threading.Lock()
        self._wake, self._batch_full = threading.Event(), threading.Event()
        self._waiting = 0  # records since the last batch, approximately
        self._dropped = 0
        self._flush_timeout = FLUSH_TIMEOUT_S
        self._owner = os.getpid()
        run_sync(_no_op())  # start the loop now: no thread can be started during interpreter shutdown
        threading.Thread(target=self._run, name=f"{THREAD_PREFIX}-outbox", daemon=True).start()
        deliver_orphans(folder)

    @property
    def workload_id(self) -> str:
        """The id of the workload; blocks for the server at the first access. Raises LogStreamError."""
        if self._spool.is_released and self._spool.sent_to is None:
            raise LogStreamError("there is no workload: nothing was published before it was closed")
        return self._delivery.workload_id()

    def mask(self, text: str) -> str:
        """Mask the values of the environment's secrets, which can change at any time."""
        return self._encoder.mask(text)

    def put(
        self,
        message: str,
        *,
        level: str | None = None,
        ts: float | None = None,
        step: str | None = None,
        fields: Mapping[str, Any] | None = None,
    ) -> None:
        """Publish a record. `ts`: Unix ms, default now; `level`: default inferred by the server from the text.

        `fields` must be JSON and masked; message and step are masked here, and the message is truncated to
        MAX_MESSAGE_CHARS. On return the record is in the spool, or dropped because the spool is full: a later record
        has the number of those. No effect once the workload has ended. Raises ValueError for fields that are not JSON,
        and in a forked child SpoolClosed.
        """
        if self._spool.is_closed and os.getpid() == self._owner:
            return
        line = self._encoder.line(message, level, ts, step, fields)
        if self._spool.append(self._drop_notice() + line):
            self._dropped = 0
        else:
            self._dropped += 1
        self._waiting += 1
        if not self._wake.is_set():
            self._wake.set()
        if self._waiting >= BATCH_RECORDS and not self._batch_full.is_set():
            self._batch_full.set()

    def flush(self) -> bool:
        """Wait until the server has all records, FLUSH_TIMEOUT_S at most; False: the rest stays in the spool."""
        if os.getpid() != self._owner:
            return False
        deadline = time.monotonic() + self._flush_timeout
        if not self._sending.acquire(timeout=self._flush_timeout):
            return self._shorten_timeout()
        try:
            while (left := deadline - time.monotonic()) > 0:
                outcome = self._attempt(left)
                if outcome in {Outcome.EMPTY, Outcome.OVER}:
                    return True
                if outcome is Outcome.AWAY:
                    break
        finally:
            self._sending.release()
        return self._shorten_timeout()

    def end(self, state: str, *, wait: bool = True) -> None:
        """End the workload with `state` and `flush` if `wait`. No effect in a forked child or when repeated."""
        if os.getpid() != self._owner or self._spool.is_closed:
            return
        if self._spool.is_untouched:
            self._spool.remove()  # no workload was created
        else:
            self._spool.append(self._drop_notice() + encode_line({"state": state}), last=True)
        self._wake.set()
        self._batch_full.set()
        if wait:
            self.flush()

    def _drop_notice(self) -> bytes:
        return missing_notice(self._dropped, "the server was away, and the spool was full")

    def _shorten_timeout(self) -> bool:
        self._flush_timeout = FLUSH_TIMEOUT_S / 30  # a server that hangs delays the program once only
        return False

    # --- sending thread -----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        failures = 0
        while True:
            self._wake.wait(CHILD_POLL_INTERVAL_S if self._spool.shared else None)
            self._wake.clear()
            start = time.monotonic()
            self._batch_full.clear()
            self._waiting = 0
            with self._sending:
                outcome = self._attempt()
            if outcome is Outcome.OVER:
                return
            if outcome is Outcome.AWAY:
                failures += 1
                time.sleep(backoff_s(failures))
                self._wake.set()
            elif outcome is Outcome.SENT:
                failures = 0
                if self._spool.unsent < BATCH_BYTES:
                    self._batch_full.wait(max(0, start + BATCH_INTERVAL_S - time.monotonic()))
                self._wake.set()  # check for more

    def _attempt(self, timeout: float | None = None) -> Outcome:
        """Send one batch; the caller holds `_sending`."""
        if self._spool.is_released:
            return Outcome.OVER
        outcome = self._delivery.attempt(timeout)
        if outcome is Outcome.SENT:
            self._flush_timeout = FLUSH_TIMEOUT_S
        if outcome is Outcome.OVER:
            self._spool.remove()
        return outcome


BATCH_BYTES = 1 << 16  # as many unsent bytes are sent without waiting for the interval


async def _no_op() -> None:
    pass


# --- folder and name -----------------------------------------------------------------------------------------------


def spool_folder() -> Path:
    """The folder of this server's spools: beside its log store, or in Jupyter's data folder. Raises NoServer."""
    path = os.environ.get("JUPYTER_LOGSTREAM_SERVER", "")
    if path and os.access(os.path.dirname(path), os.W_OK | os.X_OK):
        return Path(path).with_name("spool")
    if not path:
        from ..private_server import ensure_server  # noqa: PLC0415 - rarely needed

        address = ensure_server()
        if address.file is not None:
            return address.file.with_name("spool")
        path = address.url
    from jupyter_core.paths import jupyter_data_dir  # noqa: PLC0415 - rarely needed

    return Path(jupyter_data_dir()) / "logstream" / "spool" / sha256(path.encode()).hexdigest()[:16]


def program_name() -> str:
    """Name of the running program: the module, script or notebook, else `python`."""
    main = sys.modules.get("__main__")
    if module := getattr(main, "__spec__", None):
        return str(module.name).removesuffix(".__main__")
    # JPY_SESSION_NAME is set for kernels; a script that a notebook started inherits it.
    path = getattr(main, "__file__", None) or os.environ.get("JPY_SESSION_NAME", "")
    return os.path.basename(path) or "python"


def _label(name: str) -> str:
    return UNPRINTABLE_IN_NAME.sub(" ", name)[:200].strip() or "python"


def _check_tags(tags: Mapping[str, str]) -> dict[str, str]:
    for name, value in tags.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise TypeError(f"tags must map strings to strings, not {name!r}: {value!r}")
    return dict(tags)
