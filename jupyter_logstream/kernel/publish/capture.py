"""capture: publishing the output of a block of code as a live log. Runs in kernels, workloads and scripts.

Only output of the context that entered the block is captured: its thread, its tasks, threads started by copy_context.
This file must not know HTTP, nor how records are stored until the server has them.
"""

from __future__ import annotations

import sys
import threading
import traceback
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from ...text.drawn_lines import DrawnLines
from ..client import Workload
from .runner_outbox import RunnerOutbox, is_read_by_runner, open_outbox
from .stdio_tap import tap
from .step import current_step, state_after, wrap_calls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from .outbox import Outbox

    Function = TypeVar("Function", bound=Callable[..., Any])

_active: ContextVar[tuple[Capture, ...]] = ContextVar("jupyter_logstream_captures", default=())


def capture(name: str | None = None, *, stdout: bool = True, stderr: bool = True, echo: bool = True) -> Capture:
    """Publish what a block prints as the log of a workload of its own; as a decorator, what each call prints.

    `with capture("fit") as job:` binds a Workload. Each line is a record. It ends with the block: succeeded, or
    failed with the traceback as last record, or cancelled after an interrupt. `name`: the workload's name; default:
    the notebook's or script's. `stdout`, `stderr`: which of the two to capture; default: both. `echo`: whether the
    output is printed as well; default: yes.

    Not captured: other threads, other processes, and writes that bypass Python's `sys.stdout` and `sys.stderr`.
    In a workload on another machine (ssh, Slurm) the lines are records of that workload's log, and are not printed as
    well where its runner would read them again. The block does not end that workload.

    Entering the block raises NoServer, and RuntimeError if the same object is entered twice.
    """
    return Capture(name, stdout=stdout, stderr=stderr, echo=echo)


class Capture:
    """Context manager and decorator; see `capture`."""

    def __init__(self, name: str | None, *, stdout: bool, stderr: bool, echo: bool) -> None:
        self._options = {"stdout": stdout, "stderr": stderr, "echo": echo}
        self._name = name
        self._echo = echo
        self._outbox: Outbox | RunnerOutbox | None = None
        self._lock = threading.RLock()
        self._lines: dict[tuple[str, int], DrawnLines] = {}  # by stream and thread, so that no line mixes two
        self._restore: list[Callable[[], None]] = []

    def __enter__(self) -> Workload:
        if self._outbox is not None:
            raise RuntimeError("this capture is already active; create another one with capture()")
        outbox = open_outbox(self._name)
        try:
            workload = Workload(outbox.workload_id)
        except BaseException:
            outbox.end("failed", wait=False)
            raise
        self._outbox = outbox
        _active.set((*_active.get(), self))
        for name, stream in (("stdout", sys.stdout), ("stderr", sys.stderr)):
            if self._options[name] and stream is not None:
                echo = self._echo and not (isinstance(outbox, RunnerOutbox) and is_read_by_runner(stream))
                listener, tapped = partial(self._on_write, name, echo), tap(stream)
                tapped.add(listener)
                self._restore.append(partial(tapped.remove, listener))
        return workload

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        _active.set(tuple(other for other in _active.get() if other is not self))
        while self._restore:
            self._restore.pop()()
        with self._lock:
            outbox, self._outbox = self._outbox, None
            if outbox is None:
                return
            for (name, _thread), lines in self._lines.items():
                self._publish(outbox, name, lines.finish())
            self._lines.clear()
            if error is not None and (state := state_after(error)) != "succeeded":
                text = "".join(traceback.format_exception(error)).rstrip("\n")
                outbox.put(text, level="error" if state == "failed" else "warn", step=current_step())
        outbox.end(state_after(error))

    def __call__(self, function: Function) -> Function:
        """The function, captured at each call."""
        return wrap_calls(function, lambda: Capture(self._name, **self._options))

    def _on_write(self, name: str, echo: bool, text: str) -> bool:
        """Receive a write to a stream. Returns whether the stream prints it, too: `echo`."""
        if self not in _active.get():
            return True
        with self._lock:
            if self._outbox is None:  # a task that outlives the block
                return True
            lines = self._lines.setdefault((name, threading.get_ident()), DrawnLines())
            self._publish(self._outbox, name, lines.feed(text.encode("utf-8", "replace")))
        return echo

    @staticmethod
    def _publish(outbox: Outbox | RunnerOutbox, name: str, texts: Iterable[str]) -> None:
        fields = {"stream": name} if name == "stderr" else None
        for text in texts:
            outbox.put(text, step=current_step(), fields=fields)
