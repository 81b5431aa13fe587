"""Dial-out: runs a workload in an engine's job and connects to the server, where nothing can connect to the job.

`runner.pyz dial PACKAGE`, in `runner.pyz`; stdlib. PACKAGE holds `order.json` (DialPlan: what to run, and the server's
address with a token for this workload only) and `call`, the call of a function. Its parent folder has the files that
were sent along.

The process that the engine started serves the workload's folder over a WebSocket and reconnects with backoff. It ends
when the server has a verified copy of the log, at most `linger_s` after the server last made progress. For a server
that was not reached within `echo_after_s`, that refuses, or that has no address, the output is printed: the engine
stores it as its own log. What is secret in PACKAGE is deleted at the start, since engines retain packages.
"""

from __future__ import annotations

import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

from ..store.disk.files import read_json
from ..wire.delivery import DialPlan
from .channel import Channel
from .dialed_job import Job, prepare
from .echo import Echo
from .serve import Connection
from .websocket import HandshakeRefused, WebSocket

_FIRST_RETRY_S, _MAX_RETRY_S = 0.2, 5.0
_POLL_S = 0.05
_ALREADY_STARTED = 3
_CONFLICT, _GONE = 409, 410  # the server reads the engine's log instead; the workload has ended


class Dialer:
    """Connects `job` to the server until its log is copied or printed. `run` returns the exit code of the workload.

    `channel`: a connection that is open already.
    """

    def __init__(self, job: Job, plan: DialPlan, channel: WebSocket | None) -> None:
        self._job, self._plan, self._channel = job, plan, channel
        self._echo = Echo(job.folder.path)
        self._begun = time.monotonic()
        self._was_connected, self._is_refused = False, not plan.url
        self._problem = "" if plan.url else "it has no URL for other machines"

    def run(self) -> int:
        """Connect again and again, until nothing is left to do."""
        pause_s = _FIRST_RETRY_S
        while True:
            is_good = self._connect_once()
            pause_s = _FIRST_RETRY_S if is_good else min(2 * pause_s, _MAX_RETRY_S)
            if self._is_done():
                break
            self._pause(pause_s * random.uniform(0.5, 1))  # noqa: S311 - jitter, no secret
        self._echo.finish()
        if self._is_refused:
            self._job.remove()
        return self._job.exit_code

    def _pause(self, pause_s: float) -> None:
        """Wait before the next attempt, which is made at once when the workload ends."""
        had_ended, deadline = self._job.has_ended(), time.monotonic() + pause_s
        while time.monotonic() < deadline and self._job.has_ended() == had_ended:
            time.sleep(_POLL_S)

    def _connect_once(self) -> bool:
        """Use one connection to its end; returns whether there was one."""
        if self._is_refused:
            return False
        try:
            channel, self._channel = self._channel or _connect(self._plan), None
        except (OSError, ValueError) as error:
            self._is_refused = isinstance(error, HandshakeRefused) and error.code in {_CONFLICT, _GONE}
            self._problem = str(error)
            return False
        self._was_connected = True
        try:
            DialedConnection(self._job, channel, self._plan.linger_s).run()
        finally:
            channel.close()
        return True

    def _is_done(self) -> bool:
        """Whether the log is copied or printed; begins to print it when it is time."""
        if self._job.is_removed:
            return True
        has_ended = self._job.has_ended()
        if self._was_connected and not self._is_refused:
            is_over = has_ended and self._job.idle_s > self._plan.linger_s
        else:
            is_over = self._is_refused or time.monotonic() - self._begun > self._plan.echo_after_s
        if is_over and not self._echo.has_begun:
            where = f" at {self._plan.url}" if self._plan.url else ""
            _print(f"the server{where} is not used: {self._problem or 'no answer'}; the output follows")
            self._echo.begin()
        return is_over and has_ended


class DialedConnection(Connection):
    """A connection of a mirror to the folder of a job that this process has started."""

    def __init__(self, job: Job, channel: Channel, linger_s: float) -> None:
        super().__init__(str(job.folder.path), channel)
        self._job, self._linger_s = job, linger_s

    def _ending(self) -> tuple[dict[str, Any] | None, bool]:
        self._is_over = self._job.has_ended()
        if self._is_over and self._job.idle_s > self._linger_s:
            self._is_open = False
        return super()._ending()

    def _handle(self, fields: dict[str, Any], payload: bytes) -> None:
        if "ack" in fields or "have" in fields:
            self._job.made_progress()
        if "forget" in fields:
            self._job.remember_exit()
        super()._handle(fields, payload)


def dial(package: str) -> int:
    """Run the workload in a package and serve it. Returns the exit code: that of the workload."""
    box = Path(package).absolute()
    try:
        plan = DialPlan.from_json(read_json(box / "order.json"))
    except FileNotFoundError:
        return _refuse_second_start()
    channel: WebSocket | None = None
    try:
        channel = _connect(plan) if plan.url else None
    except HandshakeRefused as error:
        if error.code == _GONE:  # engines can start a job that was cancelled while it waited
            _print("this workload was cancelled before it started")
            return 0
    except (OSError, ValueError):
        pass  # it is started all the same
    folder = prepare(box, plan)
    if folder is None:
        return _refuse_second_start()
    _print("its output goes to the server of the notebook, and here if that cannot be reached")
    job = Job(folder, [] if channel is None else [channel.fileno()])
    for number in signal.SIGINT, signal.SIGHUP, signal.SIGTERM:
        signal.signal(number, lambda *_: job.cancel())  # the engine stops the job: it KILLs what is left
    return Dialer(job, plan, channel).run()


def _refuse_second_start() -> int:
    _print("this workload was started before; it is not started twice")
    return _ALREADY_STARTED


def _connect(plan: DialPlan) -> WebSocket:
    return WebSocket(plan.url, {"Authorization": f"Bearer {plan.token}"}, plan.ca)


def _print(text: str) -> None:
    sys.stdout.write(f"jupyter-logstream: {text}\n")
    sys.stdout.flush()
