"""Steps: naming the part of the work that lines belong to. Runs in kernels, workloads and plain scripts.

In a workload a step begins and ends with a marker line of its output, which the runner parses; published records carry
the name instead. Outside a workload nothing is printed. This file must not know HTTP, nor the publishers.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import os
import sys
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

from ...model.protocol import WORKLOAD_VARIABLE
from ...model.steps import MAX_STEP_NAME_CHARS
from ...text.lines import clean
from ...text.terminal import plain_text
from .stdio_tap import Tap, tap

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    Function = TypeVar("Function", bound=Callable[..., Any])

_steps: ContextVar[tuple[str, ...]] = ContextVar("jupyter_logstream_steps", default=())


def step(name: str) -> Step:
    """Name a part of the work: a context manager, or a decorator of a function (also `async def`).

    `name`: at most 200 characters, the rest is truncated. Output and records of the block belong to the step. The step
    succeeds, or fails when the block raises. A nested step replaces the outer one until it ends. Raises ValueError for
    a name without visible characters.
    """
    return Step(name)


class Step:
    """Context manager and decorator; see `step`."""

    def __init__(self, name: str) -> None:
        self.name = " ".join(clean(plain_text(name)).split())[:MAX_STEP_NAME_CHARS].strip()
        if not self.name:
            raise ValueError(f"a step needs a name with a visible character, not {name!r}")
        self._outer: list[tuple[str, ...]] = []

    def __enter__(self) -> None:
        outer = _steps.get()
        self._outer.append(outer)
        _steps.set((*outer, self.name))
        _print(f"::step:: {self.name}")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        outer = self._outer.pop()
        _steps.set(outer)
        _print("::endstep::" if state_after(error) == "succeeded" else "::endstep:: failed")
        if outer:
            _print(f"::step:: {outer[-1]}")

    def __call__(self, function: Function) -> Function:
        """The function, each call in a step of this name."""
        return wrap_calls(function, lambda: Step(self.name))


def current_step() -> str | None:
    """The name of the innermost step of this thread (or task)."""
    steps = _steps.get()
    return steps[-1] if steps else None


def state_after(error: BaseException | None) -> str:
    """The final state of a block that `error` ended; None: it ended normally."""
    if error is None or (isinstance(error, SystemExit) and not error.code):
        return "succeeded"
    return "cancelled" if isinstance(error, KeyboardInterrupt | asyncio.CancelledError) else "failed"


def wrap_calls(function: Function, block: Callable[[], AbstractContextManager[Any]]) -> Function:
    """Wrap a function so that each call runs in a new block. Raises TypeError for generators: they outlive it."""
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(f"{function.__qualname__} is a generator, which cannot be decorated: use `with` inside it")
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def awaited(*args: Any, **kwargs: Any) -> Any:
            with block():
                return await function(*args, **kwargs)

        return awaited  # type: ignore[return-value]

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        with block():
            return function(*args, **kwargs)

    return called  # type: ignore[return-value]


# --- marker lines in a workload's output -----------------------------------------------------------------------------


def is_kernel() -> bool:
    """Whether this process is a kernel."""
    app = sys.modules.get("ipykernel.kernelapp")
    return app is not None and bool(app.IPKernelApp.initialized())


def _print(line: str) -> None:
    if WORKLOAD_VARIABLE not in os.environ or is_kernel():  # a kernel within a workload prints into its cells
        return
    try:
        if (out := _output()) is not None:
            out.write_line(line)
    except (OSError, ValueError):  # closed: a marker must not fail the program
        pass


def _output() -> Tap | None:
    """The stream that the runner reads, also while `sys.stdout` is redirected."""
    stream: TextIO | None = sys.__stdout__
    try:
        if stream is not None:
            stream.fileno()
    except ValueError:  # closed, or detached
        stream = sys.stdout
    return None if stream is None else tap(stream)


if WORKLOAD_VARIABLE in os.environ and not is_kernel():
    _output()  # from now on, so that the first marker knows whether a line is open
