"""LogHandler: Python's own logging as a live log. Runs in kernels, in workloads, and in scripts that know a server.

It turns a logging record into one of ours, in the thread that logs; the outbox does the rest. This file must not know
HTTP, nor how records are kept until the server has them.
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
from .outbox import THREADS, Outbox
from .step import current_step, is_kernel, state_after

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Self

_LEAST = (1, 10, 20, 30, 40, 50)
_LEVELS = (None, "trace", "debug", "info", "warn", "error", "fatal")  # None: the text may say it

# What every record has; all else came by `extra`.
_USUAL = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class LogHandler(logging.Handler):
    """Publishes log records into a workload of its own, named `name` (default: the notebook, the script).

    `logging.getLogger().addHandler(LogHandler())`. The caller never waits for the server: a record is written to a file
    of this user's, from where it is sent in the background - by another process, should this one be killed, or the
    server be away. `extra`, logger and place in the code become fields. The end of the process, `close()`
    or the end of a `with` block end the workload. Children made by a fork may log, too. Raises NoServer where no server
    is known.
    """

    def __init__(
        self, name: str | None = None, level: int | str = logging.NOTSET, tags: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(level)
        self._outbox = Outbox(name, tags)
        # Nobody logs to it any more, and nobody closed it.
        weakref.finalize(self, self._outbox.end, "succeeded", wait=False).atexit = False

    @property
    def workload(self) -> Workload:
        """The workload; as the last line of a cell it shows the live log. Raises NoServer while the server is away."""
        return Workload(self._outbox.workload_id)

    def emit(self, record: logging.LogRecord) -> None:
        """Publish a record; what goes wrong on the way is told as logging does (`handleError`)."""
        if threading.current_thread().name.startswith(THREADS):
            return  # about our own calls
        try:
            fields = {"logger": record.name, "file": f"{record.pathname}:{record.lineno}"}
            if extra := {name: value for name, value in vars(record).items() if name not in _USUAL}:
                fields |= Fields(self._outbox.masked).of(extra)
            self._outbox.put(
                self.format(record),
                level=_LEVELS[bisect_right(_LEAST, record.levelno)],
                ts=round(record.created * 1000, 3),
                step=current_step(),
                fields=fields,
            )
        except RecursionError:  # of whoever logs while he is logged; as logging's own handlers do
            raise
        except Exception:  # noqa: BLE001 - the contract of `emit`: a record never breaks the program that logs it
            self.handleError(record)

    def flush(self) -> None:
        """Wait until the records are with the server; a few seconds at most, the rest follows."""
        self._outbox.flush()

    def close(self) -> None:
        """End the workload: as failed where an exception ends the script, else as succeeded. Takes no records then."""
        self._end(getattr(sys, "last_value", None) if _is_script() else None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        self._end(error)

    def _end(self, error: BaseException | None) -> None:
        self._outbox.end(state_after(error))
        super().close()


def _is_script() -> bool:
    """Whether an exception that nobody caught has ended this process; elsewhere the next input comes."""
    ipython = sys.modules.get("IPython")
    return not (hasattr(sys, "ps1") or is_kernel() or (ipython is not None and ipython.get_ipython() is not None))
