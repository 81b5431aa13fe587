"""Live log in a terminal: lines with colours, a progress line, detaching by Ctrl-C. Runs in scripts and IPython.

Standard output gets the lines of `stdout`, of published records and of the server; standard error those of `stderr`
and our own remarks. Of control sequences only colours and links pass: text/terminal.py has drawn cursor movements.
"""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING, Any, TextIO

from ..model.unprintable import printable
from ..text.lines import STYLING
from ..text.terminal import plain_text, terminal_text
from .event_loop import run_sync

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from .handle import WorkloadHandle
    from .reader import Frame

TAIL_LINES = 1000
"""Lines of the past that are printed at first; a log can have millions."""

_LEVEL_COLOURS = {"fatal": "1;31", "error": "31", "warn": "33", "debug": "2", "trace": "2"}
_ERASE_LINE = "\r\x1b[2K"
_RESET = "\x1b[0m"
_WIDGET_HOSTS = {"marimo", "solara", "shinywidgets", "panel"}


def is_terminal() -> bool:
    """Whether output of this process is text: a script or IPython in a terminal, no kernel or other host of widgets."""
    if "IPython" in sys.modules:
        from IPython.core.getipython import get_ipython  # noqa: PLC0415 - loaded already

        if (shell := get_ipython()) is not None:
            return getattr(shell, "kernel", None) is None
    comm: Any = sys.modules.get("comm")  # hosts of widgets replace its factory
    if comm is not None and comm.create_comm.__module__.partition(".")[0] in _WIDGET_HOSTS:
        return False
    marimo: Any = sys.modules.get("marimo")
    return not (marimo is not None and marimo.running_in_notebook())


def show(workload: WorkloadHandle, frames: AsyncGenerator[Frame, None]) -> None:
    """Print `frames` of a workload's log until its end; Ctrl-C stops printing only. Raises LogStreamError."""
    printer = Printer(sys.stdout, sys.stderr)
    name = workload.id if workload.upstream is None else f"{workload.upstream}:{workload.id}"
    try:
        while (frame := run_sync(_next(frames))) is not None:  # an interrupt in there closes the stream itself
            try:
                printer.print(*frame)
            except (KeyboardInterrupt, OSError):
                run_sync(frames.aclose())
                raise
    except KeyboardInterrupt:
        printer.remark(f'Detached; the workload goes on. Show it again: attach("{name}").show()')
        return
    printer.remark(str(workload))


async def _next(frames: AsyncGenerator[Frame, None]) -> Frame | None:
    return await anext(frames, None)


class Printer:
    """Prints frames; at most one unfinished line is on the screen, which the next output replaces.

    `names_omitted`: report how many lines stand before the first one that is printed. Lines have no colours where
    NO_COLOR is set, nor on a terminal without them.
    """

    def __init__(self, out: TextIO, err: TextIO, *, names_omitted: bool = True) -> None:
        self._out, self._err = out, err
        self._has_progress = False
        self._first = names_omitted

    def print(self, kind: str, data: Mapping[str, Any]) -> None:
        """Print one frame; those about state and position print nothing."""
        if kind == "logs" and data["logs"]:
            self._erase()
            if self._first and data["logs"][0]["seq"] > 1:
                self.remark(f"{data['logs'][0]['seq'] - 1:,} earlier lines are left out")
            self._first = False
            for record in data["logs"]:
                self._record(record)
            self._out.flush()
            self._err.flush()
        elif kind == "progress":
            self._progress(data["message"])
        elif kind == "gap":
            self.remark(f"lines {data['from']} to {data['to']} are gone ({data['reason']})")

    def remark(self, text: str) -> None:
        """Print a line of our own."""
        self._erase()
        self._err.write(f"{_coloured(text, '2') if has_colours(self._err) else text}\n")
        self._err.flush()

    def _record(self, record: Mapping[str, Any]) -> None:
        file = self._err if record.get("source") == "stderr" else self._out
        message = str(record["message"])
        if not has_colours(file):
            plain = plain_text(message)
            file.write(f"{printable(plain) if file.isatty() else plain}\n")
            return
        line = styled(message)
        colour = _LEVEL_COLOURS.get(str(record.get("level")))
        file.write(f"{_coloured(line, colour) if colour and line == plain_text(message) else line}\n")

    def _progress(self, message: str) -> None:
        if not self._out.isatty():
            return  # the finished line follows as a record
        self._erase()
        self._out.write(printable(plain_text(message))[: shutil.get_terminal_size().columns - 1])
        self._out.flush()
        self._has_progress = True

    def _erase(self) -> None:
        if self._has_progress:
            self._out.write(_ERASE_LINE)
            self._out.flush()
            self._has_progress = False


def has_colours(file: TextIO) -> bool:
    """Whether to write colours: a terminal that has them, whose user does not refuse them (no-color.org)."""
    return file.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def styled(message: str) -> str:
    """A message with its colours and links, and with stand-ins for all other characters that act on a terminal."""
    text, made, at = terminal_text(message), [], 0
    for match in STYLING.finditer(text):
        made.append(printable(text[at : match.start()]))
        if not match[0].startswith("\x1b]9"):  # a bar in the title bar or task bar of the terminal
            made.append(match[0])
        at = match.end()
    made.append(printable(text[at:]))
    line = "".join(made)
    return line + _RESET if "\x1b[" in line else line


def _coloured(text: str, colour: str) -> str:
    return f"\x1b[{colour}m{text}{_RESET}"
