"""LogHandler: a handler for Python's logging that publishes to a live log. Runs in kernels, workloads and scripts.

It converts a logging record in the thread that logs; the outbox stores and sends it. This file must not know HTTP, nor
how records are stored until the server has them.
"""

from __future__ import annotations

import logging
import sys
import threading
import weakref
from bisect import bisect_right
from typing import TYPE_CHECKING

from ..client import Workload
from .fields import Fields
from .outbox import THREAD_PREFIX
from .runner_outbox import open_outbox
from .step import current_step, is_kernel, state_after

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Self

_LEVEL_THRESHOLDS = (1, 10, 20, 30, 40, 50)
_LEVELS = (None, "trace", "debug", "info", "warn", "error", "fatal")  # None: the server infers it from the text

# Attributes of every record; all others come from `extra`.
_STANDARD_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class LogHandler(logging.Handler):
    """A logging handler that publishes records as the live log of a workload of its own.

    `logging.getLogger().addHandler(LogHandler())`. `name`: the workload's name; default: the notebook's or script's.
    `level`: the minimum level, a number or name of `logging`; default: all. `tags`: names with string values, as for
    `run()`.

    Logging never waits for the server: a record is written to a spool file of this user and sent in the background; if
    this process is killed or the server is away, another process sends it later. The spool holds at most 64 MiB;
    records beyond that are dropped, and a later record has their number. `extra`, the logger's name and the code
    location become `fields`; secrets from the environment are masked. `close()`, the end of a `with` block or of the
    process ends the workload. Forked children can log, too. Raises NoServer when no server is known.

    In a workload on another machine (ssh, Slurm) the records go into the log of that workload, by its runner: `name`
    and `tags` have no effect, `workload` is that workload, and `close()` does not end it. What the runner has not yet
    taken waits in memory, 16 MiB at most; a killed process loses that.
    """

    def __init__(
        self, name: str | None = None, level: int | str = logging.NOTSET, tags: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(level)
        self._outbox = open_outbox(name, tags)
        self._newest = threading.local()  # the thread's last record, weakly
        # Ends the workload of a handler that was dropped without close().
        weakref.finalize(self, self._outbox.end, "succeeded", wait=False).atexit = False

    @property
    def workload(self) -> Workload:
        """The Workload of the records; as the last line of a cell it shows the live log. Raises NoServer."""
        return Workload(self._outbox.workload_id)

    def emit(self, record: logging.LogRecord) -> None:
        """Publish a record, once if the handler is attached to a logger and its parent.

        A record whose arguments do not fit its message is published as it is. Errors are reported by
        `logging.Handler.handleError`.
        """
        newest = getattr(self._newest, "record", None)
        if newest is not None and newest() is record:
            return
        self._newest.record = weakref.ref(record)
        if threading.current_thread().name.startswith(THREAD_PREFIX):
            return  # about our own requests
        try:
            fields = {"logger": record.name, "file": f"{record.pathname}:{record.lineno}"}
            if extra := {name: value for name, value in vars(record).items() if name not in _STANDARD_ATTRIBUTES}:
                fields |= Fields(self._outbox.mask).of(extra)
            self._outbox.put(
                self._text(record),
                level=_LEVELS[bisect_right(_LEVEL_THRESHOLDS, record.levelno)],
                ts=round(record.created * 1000, 3),
                step=current_step(),
                fields=fields,
            )
        except RecursionError:  # logging while logging; logging's own handlers do the same
            raise
        except Exception:  # noqa: BLE001 - the contract of `emit`: a record never breaks the program that logs it
            self.handleError(record)

    def _text(self, record: logging.LogRecord) -> str:
        try:
            return self.format(record)
        except (TypeError, ValueError, KeyError, IndexError):  # arguments that do not fit
            raw = logging.makeLogRecord({**vars(record), "msg": f"{record.msg} {record.args!r}", "args": None})
            return self.format(raw)

    def flush(self) -> None:
        """Wait until the server has the records, 3 s at most; the rest is sent later."""
        self._outbox.flush()

    def close(self) -> None:
        """End the workload: `failed` where an exception ends the script, else `succeeded`; ignores later records."""
        self._end(getattr(sys, "last_value", None) if _is_script() else None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        self._end(error)

    def _end(self, error: BaseException | None) -> None:
        self._outbox.end(state_after(error))
        super().close()


def _is_script() -> bool:
    """Whether this is a script, which an uncaught exception ends; a kernel or prompt continues after one."""
    ipython = sys.modules.get("IPython")
    return not (hasattr(sys, "ps1") or is_kernel() or (ipython is not None and ipython.get_ipython() is not None))
