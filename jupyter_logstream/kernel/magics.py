"""Magics: %%workload, %logs, %workloads. Runs in kernels and in IPython's terminal.

They read a line and call what the API has. This file must not know HTTP, nor how a workload is shown.
"""

# IPython's decorators and `display` have no types:
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, cell_magic, line_magic, magics_class
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring
from IPython.display import display

from ..model.records import LEVELS
from ..text.terminal import plain_text
from ..text.wording import state_summary
from .client import Workload, attach, run, workloads
from .errors import LogStreamError
from .snapshot import list_as_text
from .widgets import STATES, WorkloadTable

if TYPE_CHECKING:
    from collections.abc import Sequence

_OFFERED = 50  # ids that are offered for completion


@magics_class
class WorkloadMagics(Magics):
    """Workloads without Python: cells of shell, and their logs."""

    shell: Any

    @magic_arguments()
    @argument("--name", help="What it is called; by default its first line.")
    @argument("--cwd", help="Where it runs; by default where the kernel does.")
    @argument("--timeout", type=float, metavar="S", help="Seconds after which it is ended.")
    @argument("--no-tty", action="store_true", help="Give it pipes instead of a terminal.")
    @argument("--tag", action="append", default=[], metavar="K=V", help="A tag; may be given often.")
    @argument("--wait", action="store_true", help="Block until it has ended; an error unless it has succeeded.")
    @argument("--as", dest="variable", metavar="VAR", help="A variable that gets the Workload.")
    @cell_magic
    def workload(self, line: str, cell: str) -> None:
        """Run the cell as a script of /bin/sh, as a workload: it ends at the first command that fails (`set -e`)."""
        asked = parse_argstring(self.workload, line)
        if not cell.strip():
            raise UsageError("%%workload: there is nothing to run in this cell")
        if asked.variable is not None and not asked.variable.isidentifier():
            raise UsageError(f"%%workload: --as {asked.variable} is not the name of a variable")
        started = run(
            f"set -e; {cell}",
            name=asked.name or _first_line(cell),
            cwd=asked.cwd,
            timeout=asked.timeout,
            tty=not asked.no_tty,
            tags=_tags(asked.tag) or None,
        )
        if asked.variable is not None:
            self.shell.user_ns[asked.variable] = started
        display(started)
        if asked.wait and started.wait().state != "succeeded":
            raise LogStreamError(f"the workload {started.id} has not succeeded: {state_summary(started.info)}")

    @magic_arguments()
    @argument("workload", metavar="ID", help="A workload's id, or a variable that holds the workload.")
    @argument("--tail", type=int, metavar="N", help="Print the last N lines instead.")
    @argument("--level", choices=LEVELS[1:], help="Print the lines of this level and above instead.")
    @line_magic
    def logs(self, line: str) -> None:
        """Show a workload's log, live; with --tail or --level: print what of it is there now."""
        asked = parse_argstring(self.logs, line)
        if asked.tail is not None and asked.tail < 0:
            raise UsageError("%logs: --tail is a number of lines, 0 or more")
        named = self.shell.user_ns.get(asked.workload)
        found = named if isinstance(named, Workload) else attach(asked.workload)
        if asked.tail is None and asked.level is None:
            display(found)
            return
        for record in found.logs(tail=asked.tail, level=asked.level):
            print(plain_text(record.message))  # noqa: T201 - what was asked for

    @magic_arguments()
    @argument("--state", choices=STATES, help="Only those in this state.")
    @line_magic
    def workloads(self, line: str) -> None:
        """Show all workloads, live; in a terminal: as they are now."""
        state = parse_argstring(self.workloads, line).state
        if getattr(self.shell, "kernel", None) is None:
            print(list_as_text([workload.info for workload in workloads(state)]))  # noqa: T201 - a terminal's display
        else:
            display(WorkloadTable(state))


def register(shell: Any) -> None:
    """Give an IPython shell the magics, and `%logs` its completion."""
    shell.register_magics(WorkloadMagics)
    shell.set_hook("complete_command", _complete, str_key="%logs")


def _complete(_shell: Any, event: Any) -> list[str]:
    try:
        return [workload.id for workload in workloads(limit=_OFFERED) if workload.id.startswith(event.symbol)]
    except LogStreamError:
        return []


def _first_line(cell: str) -> str:
    lines = (line.strip() for line in cell.splitlines())
    return next((line[:100] for line in lines if line and not line.startswith("#")), "shell")


def _tags(given: Sequence[str]) -> dict[str, str]:
    for tag in given:
        if "=" not in tag:
            raise UsageError(f"%%workload: --tag {tag} is not of the form name=value")
    return dict(tag.split("=", 1) for tag in given)
