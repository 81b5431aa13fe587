"""The outbox: one external workload, seen by those who publish into it. Runs in kernels, and wherever else Python does.

Whoever publishes formats a record, appends it to the spool and goes on; a thread per outbox sends. So a record that was
taken is safe from the death of this process, and the caller never waits for the server. This file must not know where
records come from (log_capture.py, output_capture.py do).
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ...model.unprintable import UNPRINTABLE_IN_NAME
from ...text.masking import Masker, secret_values
from ..connection import find_server
from ..errors import LogStreamError
from ..event_loop import run_sync
from ..reader import backoff_s
from .delivery import Delivery, Outcome, deliver_left
from .spool import Spool

if TYPE_CHECKING:
    from collections.abc import Mapping

PACE = 0.1
"""Seconds from one batch to the next. The first record after a silence goes at once ..."""

BATCH = 500
"""... and so do this many records that wait."""

LONGEST = 1 << 18
"""Characters of a message; the server makes records of 64 KiB of it."""

PATIENCE = 3.0
"""Seconds that the end of a block, or of the process, waits for the server; later, what is left is sent by another."""

THREADS = "jupyter-logstream"
"""How the names of our threads begin: what they log is about ourselves, and is not published."""

_POLL = 0.5  # seconds between two looks for what forked children have written
_ENV_PAUSE = 1.0  # seconds between two looks for new secrets in the environment


class Outbox:
    """Takes the records of one workload, which is made at the first of them (or when its id is asked for).

    Raises NoServer where no server is known; one that is known need not answer. One thread at a time calls `put`.
    A child of this process (a fork) may put, too; this process sends.
    """

    def __init__(self, name: str | None = None, tags: Mapping[str, str] | None = None) -> None:
        key = uuid4().hex
        purpose: dict[str, Any] = {"backend": "external", "key": key, "name": _label(name or program_name())}
        if tags:
            purpose["tags"] = _checked(tags)
        folder = spool_folder()
        self._spool = Spool.create(folder, key, purpose)
        self._delivery = Delivery(self._spool)
        self._sending = threading.Lock()
        self._wake, self._full = threading.Event(), threading.Event()
        self._waiting = 0  # records since the last batch; an estimate
        self._lost = 0
        self._patience = PATIENCE
        self._owner = os.getpid()
        self._masker = Masker([])
        self._looked = float("-inf")
        run_sync(_nothing())  # starts the loop now: when the interpreter ends, no thread can be started any more
        threading.Thread(target=self._run, name=f"{THREADS}-outbox", daemon=True).start()
        deliver_left(folder)

    @property
    def workload_id(self) -> str:
        """The id of the workload. Blocks for the server unless it is known already; raises LogStreamError."""
        if self._spool.is_released and self._spool.sent_to is None:
            raise LogStreamError("there is no workload: nothing was published before the end")
        return self._delivery.workload_id()

    def mask(self, text: str) -> str:
        """The text without the values of this environment's secrets (which may be set at any time)."""
        if time.monotonic() - self._looked > _ENV_PAUSE:
            self._masker = Masker(secret_values(os.environ))
            self._looked = time.monotonic()
        return self._masker.mask(text)

    def put(
        self,
        message: str,
        *,
        level: str | None = None,
        ts: float | None = None,
        step: str | None = None,
        fields: Mapping[str, Any] | None = None,
    ) -> None:
        """Take a record, as the protocol has it. `ts`: Unix ms, by default now; no `level`: the text may say it.

        `fields` are JSON and masked already; the message is masked here, and cut if longer than LONGEST. The record is
        in the spool when this returns, or lost because that is full: then a later record says how many are. Once the
        workload has ended nothing is taken. Raises ValueError for what is no JSON, and in a forked child SpoolClosed.
        """
        if self._spool.is_closed and os.getpid() == self._owner:
            return
        if len(message) > LONGEST:
            message = f"{message[:LONGEST]}... ({len(message) - LONGEST} more characters)"
        record: dict[str, Any] = {"message": self.mask(message), "ts": time.time() * 1000 if ts is None else ts}
        record.update((k, v) for k, v in (("level", level), ("step", step), ("fields", fields)) if v)
        line = _line(record)
        if self._spool.append(self._loss() + line):
            self._lost = 0
        else:
            self._lost += 1
        self._waiting += 1
        if not self._wake.is_set():
            self._wake.set()
        if self._waiting >= BATCH and not self._full.is_set():
            self._full.set()

    def flush(self) -> bool:
        """Wait until what was put is with the server, PATIENCE at most; False: it is not, and stays in the spool."""
        if os.getpid() != self._owner:
            return False
        deadline = time.monotonic() + self._patience
        if not self._sending.acquire(timeout=self._patience):
            return self._lose_patience()
        try:
            while (left := deadline - time.monotonic()) > 0:
                outcome = self._attempt(left)
                if outcome in {Outcome.EMPTY, Outcome.OVER}:
                    return True
                if outcome is Outcome.AWAY:
                    break
        finally:
            self._sending.release()
        return self._lose_patience()

    def end(self, state: str, *, wait: bool = True) -> None:
        """End the workload with `state`; the caller waits as in `flush`. Does nothing in a child, and done twice."""
        if os.getpid() != self._owner or self._spool.is_closed:
            return
        if self._spool.is_untouched:
            self._spool.remove()  # nobody has seen it
        else:
            self._spool.append(self._loss() + _line({"state": state}), last=True)
        self._wake.set()
        self._full.set()
        if wait:
            self.flush()

    def _loss(self) -> bytes:
        """A record that tells what found no room, where anything did."""
        if not self._lost:
            return b""
        said = f"{self._lost} records are missing here: the server was away, and the spool was full"
        return _line({"message": said, "level": "warn", "ts": time.time() * 1000})

    def _lose_patience(self) -> bool:
        self._patience = PATIENCE / 30  # a server that hangs is waited for once
        return False

    # --- the thread that sends ----------------------------------------------------------------------------------------

    def _run(self) -> None:
        failures = 0
        while True:
            self._wake.wait(_POLL if self._spool.shared else None)
            self._wake.clear()
            began = time.monotonic()
            self._full.clear()
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
                if self._spool.unsent < _PLENTY:
                    self._full.wait(max(0, began + PACE - time.monotonic()))
                self._wake.set()  # to see whether there is more

    def _attempt(self, timeout: float | None = None) -> Outcome:
        """With `_sending` held."""
        if self._spool.is_released:
            return Outcome.OVER
        outcome = self._delivery.attempt(timeout)
        if outcome is Outcome.SENT:
            self._patience = PATIENCE
        if outcome is Outcome.OVER:
            self._spool.remove()
        return outcome


_PLENTY = 1 << 16  # bytes that are not waited with


async def _nothing() -> None:
    pass


def _line(record: Mapping[str, Any]) -> bytes:
    text = _ENCODER.encode(record)
    try:
        return text.encode() + b"\n"
    except UnicodeEncodeError:  # halves of surrogate pairs
        return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace").encode() + b"\n"


_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


# --- where, and under which name -----------------------------------------------------------------------------------


def spool_folder() -> Path:
    """Where spools for the server lie: beside its log store, or in Jupyter's data folder. Raises NoServer."""
    path = os.environ.get("JUPYTER_LOGSTREAM_SERVER", "")
    if path and os.access(os.path.dirname(path), os.W_OK | os.X_OK):
        return Path(path).with_name("spool")
    place = path or find_server().url
    from jupyter_core.paths import jupyter_data_dir  # noqa: PLC0415 - rarely needed

    return Path(jupyter_data_dir()) / "logstream" / "spool" / sha256(place.encode()).hexdigest()[:16]


def program_name() -> str:
    """What runs here: the script, the module, the notebook, or python."""
    main = sys.modules.get("__main__")
    if module := getattr(main, "__spec__", None):
        return str(module.name).removesuffix(".__main__")
    # A script that a notebook has started inherits the second of them: set by Jupyter Server for its kernels.
    path = getattr(main, "__file__", None) or os.environ.get("JPY_SESSION_NAME", "")
    return os.path.basename(path) or "python"


def _label(name: str) -> str:
    return UNPRINTABLE_IN_NAME.sub(" ", name)[:200].strip() or "python"


def _checked(tags: Mapping[str, str]) -> dict[str, str]:
    for name, value in tags.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise TypeError(f"tags are strings by strings, not {name!r}: {value!r}")
    return dict(tags)
