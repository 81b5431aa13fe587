"""The Jupyter server's own log as a stream of records. Server side; one per server, no HTTP.

A `logging.Handler` on the server's logger and on the root. The newest KEEP records stay in memory; a reader behind them
is told of the gap. Secrets go before anything is kept: the server's environment's, its token, what URLs carry.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import secrets
import threading
from collections.abc import Sequence

from ..model.records import Record
from ..store.memory import MemoryStore
from ..text.masking import MASK, Masker

KEEP = 10_000
_LONGEST = 16 * 1024  # characters of a message
_CREDENTIAL = re.compile(
    r"""(?P<name>\b(?:token|_xsrf|api[_-]?key|password|secret)["']?\s*[=:]\s*["']?|\b(?:bearer|basic)\s+)[^\s&"',;)]+""",
    re.IGNORECASE,
)
_LEVELS = ((50, "fatal"), (40, "error"), (30, "warn"), (20, "info"), (10, "debug"))
_SEEN = "_jupyter_logstream_seen"


class ServiceLog(logging.Handler):
    """Keeps what is logged. `store`, `stream`: where to read it; `epoch`: names this life of the log.

    Records may come from any thread; they are kept in the event loop, in the order they were logged.
    """

    stream = "service"

    def __init__(self, values: Sequence[bytes]) -> None:
        super().__init__()
        self.epoch = secrets.token_hex(4)
        self.store = MemoryStore(keep=KEEP)
        self.store.append(self.stream, [])
        self._masker = Masker(values)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0
        self._loggers: list[logging.Logger] = []

    def listen(self, *loggers: logging.Logger) -> None:
        """Begin to keep what these log; called in the event loop."""
        self._loop, self._thread = asyncio.get_running_loop(), threading.get_ident()
        for logger in loggers:
            logger.addHandler(self)
            self._loggers.append(logger)

    def leave(self) -> None:
        """Keep no more. Not by `close`: logging closes every handler when anybody configures it anew."""
        for logger in self._loggers:
            logger.removeHandler(self)
        self._loggers.clear()

    def emit(self, record: logging.LogRecord) -> None:
        """Called by logging, in any thread."""
        if getattr(record, _SEEN, "") == self.epoch:  # it comes by two loggers
            return
        setattr(record, _SEEN, self.epoch)
        try:
            kept = self._record(record)
        except (TypeError, ValueError, KeyError):  # arguments that do not fit their message
            self.handleError(record)
            return
        if threading.get_ident() == self._thread:
            self._keep(kept)
        elif self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: the server ends
                self._loop.call_soon_threadsafe(self._keep, kept)

    def _keep(self, record: Record) -> None:
        self.store.append(self.stream, [record])

    def _record(self, record: logging.LogRecord) -> Record:
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + logging.Formatter().formatException(record.exc_info)
        level = next((name for least, name in _LEVELS if record.levelno >= least), "trace")
        text = self.masked(text[:_LONGEST])
        return Record(0, record.created * 1000, level, text, source="log", fields={"logger": record.name})

    def masked(self, text: str) -> str:
        """The text without secrets."""
        return _CREDENTIAL.sub(rf"\g<name>{MASK.decode()}", self._masker.mask(text))
