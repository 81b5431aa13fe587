"""Following of workloads from the command line: frames to an output, the final state. Command line."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Protocol

from ...model.unprintable import printable
from ...text.wording import state_summary
from ..errors import LogStreamError
from ..event_loop import run_sync
from ..snapshot import as_text
from .exit_codes import INTERRUPTED, exit_code

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from ..reader import Frame
    from .selection import Target


class Output(Protocol):
    """What prints the frames of a log."""

    def print(self, kind: str, data: Mapping[str, Any]) -> None:
        """Print one frame."""

    def remark(self, text: str) -> None:
        """Print a line of our own to standard error."""


class SilentOutput:
    """Prints nothing."""

    def print(self, kind: str, data: Mapping[str, Any]) -> None:
        """See Output."""

    def remark(self, text: str) -> None:
        """See Output."""


def follow(target: Target, output: Output, **start: Any) -> dict[str, Any]:
    """Print a log until the workload has ended, and return its final form. `start`: see `LogSource.frames`.

    An exception, KeyboardInterrupt too, closes the stream and passes. Raises LogStreamError, OSError of the output.
    """
    frames = target.source.frames(target.id, **start)
    while (frame := run_sync(_next(frames))) is not None:  # an interrupt in there closes the stream itself
        try:
            output.print(*frame)
        except (KeyboardInterrupt, OSError, LogStreamError):
            run_sync(frames.aclose())
            raise
        if frame[0] == "done":
            return {name: value for name, value in frame[1].items() if name not in {"stream", "cursor"}}
    return target.info()


def follow_to_exit(target: Target, output: Output, **start: Any) -> int:
    """`follow`, and the workload's exit code. Ctrl-C detaches and prints how to come back."""
    try:
        info = follow(target, output, **start)
    except KeyboardInterrupt:
        output.remark(f"Detached; the workload continues. Follow it again: jupyter logstream logs -f {target.label}")
        return INTERRUPTED
    report_end(info, output)
    return exit_code(info)


def report_end(info: Mapping[str, Any], output: Output) -> None:
    """Describe the end: on a terminal always, else only where no output and exit code of the program does."""
    if sys.stderr.isatty():
        output.remark(printable(as_text(info, [])))
    elif info["state"] != "succeeded" and info.get("signal") is None and info.get("exit_code") is None:
        error = info.get("error")
        problem = f": {error}" if error and error != info.get("reason") else ""
        output.remark(f"jupyter logstream: workload {info['id']}: {printable(state_summary(info) + problem)}")


async def _next(frames: AsyncGenerator[Frame, None]) -> Frame | None:
    return await anext(frames, None)
