"""capture: what a block prints, as a live log. Runs in kernels, and in scripts that know a server.

Only the thread that entered the block is heard, and what it starts with its context (tasks; threads by copy_context).
This file must not know HTTP, nor how records are kept until the server has them.
"""

from __future__ import annotations

import sys
import threading
import traceback
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from ...text.lines import Splitter, clean
from ..client import Workload
from .outbox import Outbox
from .stdio_tap import tap
from .step import around, current_step, state_after

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    Function = TypeVar("Function", bound=Callable[..., Any])

_inside: ContextVar[tuple[Capture, ...]] = ContextVar("jupyter_logstream_captures", default=())


def capture(name: str | None = None, *, stdout: bool = True, stderr: bool = True, echo: bool = True) -> Capture:
    """Publish what a block prints; as a decorator: what a function prints.

    `with capture("fit") as job:` gives a workload of its own, to be shown as any other: each line is a record, and it
    ends as the block does; the traceback of a block that raises is its last record. `echo`: print it, too, as if it
    were not captured. Not heard: other threads, other processes, and what is written below Python's `sys.stdout`.
    Entering raises NoServer.
    """
    return Capture(name, stdout=stdout, stderr=stderr, echo=echo)


class Capture:
    """A block whose output is published; see `capture`."""

    def __init__(self, name: str | None, *, stdout: bool, stderr: bool, echo: bool) -> None:
        self._how = {"stdout": stdout, "stderr": stderr, "echo": echo}
        self._name = name
        self._echo = echo
        self._outbox: Outbox | None = None
        self._busy = threading.RLock()
        self._lines: dict[tuple[str, int], Splitter] = {}  # by stream and thread: no line mixes those of two
        self._leave: list[Callable[[], None]] = []

    def __enter__(self) -> Workload:
        if self._outbox is not None:
            raise RuntimeError("this block is being captured already; make another capture()")
        outbox = Outbox(self._name)
        try:
            workload = Workload(outbox.workload_id)
        except BaseException:
            outbox.end("failed", wait=False)
            raise
        self._outbox = outbox
        _inside.set((*_inside.get(), self))
        for name, stream in (("stdout", sys.stdout), ("stderr", sys.stderr)):
            if self._how[name] and stream is not None:
                listener, tapped = partial(self._take, name), tap(stream)
                tapped.add(listener)
                self._leave.append(partial(tapped.remove, listener))
        return workload

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        _inside.set(tuple(other for other in _inside.get() if other is not self))
        while self._leave:
            self._leave.pop()()
        with self._busy:
            outbox, self._outbox = self._outbox, None
            if outbox is None:
                return
            for (name, _thread), splitter in self._lines.items():
                self._publish(outbox, name, splitter.finish().texts)
            self._lines.clear()
            if error is not None and (state := state_after(error)) != "succeeded":
                said = "".join(traceback.format_exception(error)).rstrip("\n")
                outbox.put(said, level="error" if state == "failed" else "warn", step=current_step())
        outbox.end(state_after(error))

    def __call__(self, function: Function) -> Function:
        """The function, each call of it a block of its own."""
        return around(function, lambda: Capture(self._name, **self._how))

    def _take(self, name: str, text: str) -> bool:
        """A write to a stream; True: it is printed, too."""
        if self not in _inside.get():
            return True
        with self._busy:
            if self._outbox is None:  # a task that outlives the block
                return True
            splitter = self._lines.setdefault((name, threading.get_ident()), Splitter())
            self._publish(self._outbox, name, splitter.feed(text.encode("utf-8", "replace")).texts)
        return self._echo

    @staticmethod
    def _publish(outbox: Outbox, name: str, texts: Iterable[bytes]) -> None:
        fields = {"stream": name} if name == "stderr" else None
        for text in texts:
            outbox.put(clean(text.decode("utf-8", "replace")), step=current_step(), fields=fields)
