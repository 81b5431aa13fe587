"""Log handler that publishes the Jupyter server's own log as a stream of records. Server; one per server, no HTTP.

Attached to the server's logger and to the root logger. The newest MAX_RECORDS records stay in memory; a reader behind
them receives a gap. Secrets are masked before a record is stored: those of the environment, the token, credentials in
URLs, keys of known shapes.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import secrets
import threading

from ..model.records import Record
from ..store.memory import MemoryStore
from ..text.redactor import MASK, Redactor

MAX_RECORDS = 10_000
_MAX_MESSAGE_CHARS = 16 * 1024
_CREDENTIAL = re.compile(
    r"""(?P<name>\b(?:token|_xsrf|api[_-]?key|password|secret)["']?\s*[=:]\s*["']?|\b(?:bearer|basic)\s+)[^\s&"',;)]+""",
    re.IGNORECASE,
)
_LEVELS = ((50, "fatal"), (40, "error"), (30, "warn"), (20, "info"), (10, "debug"))
_SEEN = "_jupyter_logstream_seen"


class ServiceLog(logging.Handler):
    """Stores log records. `store`, `stream`: where to read them; `epoch`: identifies this run of the log.

    Records can come from any thread; they are appended in the event loop, in the order they were logged.
    """

    stream = "service"

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self.epoch = secrets.token_hex(4)
        self.store = MemoryStore(keep=MAX_RECORDS)
        self.store.append(self.stream, [])
        self._redactor = redactor
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0
        self._loggers: list[logging.Logger] = []

    def attach(self, *loggers: logging.Logger) -> None:
        """Start storing the records of these loggers; call it in the event loop."""
        self._loop, self._thread = asyncio.get_running_loop(), threading.get_ident()
        for logger in loggers:
            logger.addHandler(self)
            self._loggers.append(logger)

    def detach(self) -> None:
        """Stop storing. Not named `close`: logging closes every handler when it is reconfigured."""
        for logger in self._loggers:
            logger.removeHandler(self)
        self._loggers.clear()

    def emit(self, record: logging.LogRecord) -> None:
        """Called by logging, in any thread."""
        if getattr(record, _SEEN, "") == self.epoch:  # both loggers deliver it
            return
        setattr(record, _SEEN, self.epoch)
        try:
            stored = self._record(record)
        except (TypeError, ValueError, KeyError):  # arguments that do not match the message's placeholders
            self.handleError(record)
            return
        if threading.get_ident() == self._thread:
            self._append(stored)
        elif self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: the server is stopping
                self._loop.call_soon_threadsafe(self._append, stored)

    def _append(self, record: Record) -> None:
        self.store.append(self.stream, [record])

    def _record(self, record: logging.LogRecord) -> Record:
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + logging.Formatter().formatException(record.exc_info)
        level = next((name for least, name in _LEVELS if record.levelno >= least), "trace")
        text = self.masked(text[:_MAX_MESSAGE_CHARS])
        return Record(0, record.created * 1000, level, text, source="log", fields={"logger": record.name})

    def masked(self, text: str) -> str:
        """The text with its secrets masked."""
        return _CREDENTIAL.sub(rf"\g<name>{MASK.decode()}", self._redactor.mask(text))
