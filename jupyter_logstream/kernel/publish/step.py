"""Steps: which part of the work the lines written now belong to. Runs in kernels, workloads and plain scripts.

In a workload a step's name and end are lines of its output, which the runner reads; published records carry the name.
In a script that runs by hand nothing is printed: nobody would read it. This file must not know HTTP, nor who publishes.
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
    """Mark a part of the work: as `with` block, or as decorator of a function (also `async def`).

    It has failed when the block raises. Within another step it comes instead of that; behind it the other one goes on.
    Raises ValueError for a name without a character to be seen.
    """
    return Step(name)


class Step:
    """One part of the work; see `step`."""

    def __init__(self, name: str) -> None:
        self.name = " ".join(clean(plain_text(name)).split())[:MAX_STEP_NAME_CHARS].strip()
        if not self.name:
            raise ValueError(f"a step needs a name, not {name!r}")
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
        """The function, each call of it in a step of this name."""
        return around(function, lambda: Step(self.name))


def current_step() -> str | None:
    """The name of the innermost step of this thread (or task)."""
    steps = _steps.get()
    return steps[-1] if steps else None


def state_after(error: BaseException | None) -> str:
    """The final state of a block that was left by `error`."""
    if error is None or (isinstance(error, SystemExit) and not error.code):
        return "succeeded"
    return "cancelled" if isinstance(error, KeyboardInterrupt | asyncio.CancelledError) else "failed"


def around(function: Function, block: Callable[[], AbstractContextManager[Any]]) -> Function:
    """The function, each call of it in a block of its own. Raises TypeError for generators, which end long after."""
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(f"{function.__qualname__} is a generator: use `with` inside it")
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


# --- marks in a workload's output ------------------------------------------------------------------------------------


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
    except (OSError, ValueError):  # closed, or nobody reads it: a mark is nothing to fail for
        pass


def _output() -> Tap | None:
    """What the runner reads, even where `sys.stdout` is somebody else's just now."""
    stream: TextIO | None = sys.__stdout__
    try:
        if stream is not None:
            stream.fileno()
    except ValueError:  # closed, or detached for another one
        stream = sys.stdout
    return None if stream is None else tap(stream)


if WORKLOAD_VARIABLE in os.environ and not is_kernel():
    _output()  # from now on, so that the first mark knows whether a line is open
