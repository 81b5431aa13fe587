"""IPython magics %%workload, %wait, %logs and %workloads. Runs in kernels and in IPython's terminal.

They parse a line and call the API. This file must not know HTTP, nor how a workload is displayed.
"""

# IPython's decorators and `display` have no types:
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, cell_magic, line_magic, magics_class
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring
from IPython.display import display

from ..model.records import LEVELS
from ..text.wording import state_summary
from .client import Workload, attach, run, workloads
from .errors import LogStreamError
from .handle import STATES

if TYPE_CHECKING:
    from collections.abc import Sequence

LANGUAGES = ("sh", "bash", "python")
COMPLETION_IDS = 50  # newest workloads offered for completion


@magics_class
class WorkloadMagics(Magics):
    """Workloads without Python code: shell cells and their logs."""

    shell: Any

    @magic_arguments()
    @argument("language", nargs="?", default="sh", choices=LANGUAGES, help="Language of the cell; default: sh.")
    @argument("--name", help="Name of the workload; default: the cell's first command.")
    @argument("--cwd", help="Working directory; default: the kernel's.")
    @argument("--timeout", type=float, metavar="S", help="Seconds after which it is ended, with the state timed_out.")
    @argument("--no-tty", action="store_true", help="Give it pipes instead of terminals.")
    @argument("--tag", action="append", default=[], metavar="K=V", help="A tag; can be repeated.")
    @argument("--backend", help="Where it runs: a name in c.LogStream.backends; default: local.")
    @argument("--option", action="append", default=[], metavar="K=V", help="An option of the backend; can be repeated.")
    @argument("--files", default="", metavar="X,Y", help="Files and globs that the workload needs on another machine.")
    @argument("--dry-run", action="store_true", help="Print what would be submitted, and start nothing.")
    @argument("--stdin", action="store_true", help="Let send() of the Workload write to its standard input.")
    @argument("--in", dest="inputs", default="", metavar="X,Y", help="Variables that a python cell gets a copy of.")
    @argument("--out", dest="outputs", default="", metavar="X,Y", help="Variables that a python cell gives back.")
    @argument("--wait", action="store_true", help="Block until it has ended; raise an error unless it succeeded.")
    @argument("--as", dest="variable", metavar="VAR", help="Variable that is set to the Workload.")
    @cell_magic
    def workload(self, line: str, cell: str) -> None:
        """Run the cell as a workload: a script of /bin/sh or bash that stops at the first failing command, or Python.

        A python cell runs in a process of its own: with `--in x,y` it gets copies of these variables, and `--out model`
        puts its variable `model` into the notebook when `%wait`, `wait()` or `await` of the Workload returns.
        """
        args = parse_argstring(self.workload, line)
        if not cell.strip():
            raise UsageError("%%workload: the cell is empty; write shell commands below the first line")
        if args.variable is not None and not args.variable.isidentifier():
            raise UsageError(f"%%workload: --as {args.variable} is not a valid variable name")
        if (started := self._start(args, cell)) is None:
            return
        if args.variable is not None:
            self.shell.user_ns[args.variable] = started
        display(started)
        if args.wait and started.wait().state != "succeeded":
            raise LogStreamError(f"the workload {started.id} has not succeeded: {state_summary(started.info)}")

    def _start(self, args: Any, cell: str) -> Workload | None:
        """Start the cell; None: it was a dry run, which has printed its plan."""
        given = {
            "name": args.name or _first_line(cell),
            "cwd": args.cwd,
            "timeout": args.timeout,
            "tty": not args.no_tty,
            "stdin": args.stdin,
            "backend": args.backend,
            "tags": _tags(args.tag) or None,
            "options": _options(args.option) or None,
            "files": [name.strip() for name in args.files.split(",") if name.strip()],
        }
        inputs, outputs = _names("--in", args.inputs), _names("--out", args.outputs)
        if args.language == "python":
            return self._start_python(cell, inputs, outputs, args.dry_run, given)
        if inputs or outputs:
            raise UsageError("%%workload: --in and --out are for python cells: write %%workload python")
        script = f"set -e; {cell}"
        return _run(script if args.language == "sh" else [args.language, "-c", script], args.dry_run, given)

    def _start_python(
        self, cell: str, inputs: list[str], outputs: list[str], is_dry_run: bool, given: dict[str, Any]
    ) -> Workload | None:
        from .functions.cell import Cell, CellWorkload, unpicklable  # noqa: PLC0415 - cloudpickle: only for functions

        namespace = self.shell.user_ns
        if missing := [name for name in inputs if name not in namespace]:
            raise UsageError(f"%%workload: --in {', '.join(missing)}: there is no such variable")
        values = {name: namespace[name] for name in inputs}
        if problems := unpicklable(values):
            listed = "; ".join(f"{name}: {problem}" for name, problem in problems.items())
            raise UsageError(f"%%workload: --in cannot hand over {listed}")
        started = _run(Cell(cell, values, outputs), is_dry_run, given)
        return None if started is None else CellWorkload(started.id, outputs, namespace)

    @magic_arguments()
    @argument("workload", metavar="ID", help="A workload's id, or a variable with a Workload.")
    @argument("--timeout", type=float, metavar="S", help="Seconds to wait at most.")
    @line_magic
    def wait(self, line: str) -> None:
        """Block until a workload has ended; results of a python cell are in the notebook then."""
        args = parse_argstring(self.wait, line)
        ended = self._find(args.workload).wait(args.timeout)
        if ended.state != "succeeded":
            raise LogStreamError(f"the workload {ended.id} has not succeeded: {state_summary(ended.info)}")

    def _find(self, name: str) -> Workload:
        """The Workload in a variable, or the one with this id."""
        named = self.shell.user_ns.get(name)
        return named if isinstance(named, Workload) else attach(name)

    @magic_arguments()
    @argument("workload", metavar="ID", help="A workload's id, or a variable with a Workload.")
    @argument("--tail", type=int, metavar="N", help="Print the last N lines instead of the live log.")
    @argument("--level", choices=LEVELS[1:], help="Print the lines of this level and above instead.")
    @line_magic
    def logs(self, line: str) -> None:
        """Show a workload's live log, or with --tail or --level print matching lines written so far."""
        args = parse_argstring(self.logs, line)
        if args.tail is not None and args.tail < 0:
            raise UsageError("%logs: --tail must be a number of lines, 0 or more")
        found = self._find(args.workload)
        if args.tail is None and args.level is None:
            display(found)
            return
        from ..text.terminal import plain_text  # noqa: PLC0415 - slow

        for record in found.logs(tail=args.tail, level=args.level):
            print(plain_text(record.message))  # noqa: T201 - the purpose of this magic

    @magic_arguments()
    @argument("--state", choices=STATES, help="Only workloads in this state.")
    @line_magic
    def workloads(self, line: str) -> None:
        """Show a live table of the workloads; in a terminal, print their current state."""
        state = parse_argstring(self.workloads, line).state
        if getattr(self.shell, "kernel", None) is None:
            from .snapshot import list_as_text  # noqa: PLC0415 - only terminals need it

            print(list_as_text([workload.info for workload in workloads(state)]))  # noqa: T201 - a terminal's display
        else:
            from .widgets import WorkloadTable  # noqa: PLC0415 - slow

            display(WorkloadTable(state))


def register(shell: Any) -> None:
    """Register the magics, and the completion of ids for `%logs`."""
    shell.register_magics(WorkloadMagics)
    for magic in "%logs", "%wait":
        shell.set_hook("complete_command", _complete, str_key=magic)


def _complete(_shell: Any, event: Any) -> list[str]:
    try:
        return [workload.id for workload in workloads(limit=COMPLETION_IDS) if workload.id.startswith(event.symbol)]
    except LogStreamError:
        return []


def _run(command: Any, is_dry_run: bool, given: dict[str, Any]) -> Workload | None:
    """Start a workload; None: it was a dry run."""
    if is_dry_run:
        run(command, dry_run=True, **given)
        return None
    started: Workload = run(command, **given)
    return started


def _first_line(cell: str) -> str:
    lines = (line.strip() for line in cell.splitlines())
    return next((line[:100] for line in lines if line and not line.startswith("#")), "shell")


def _names(option: str, given: str) -> list[str]:
    """The names of variables in `x,y`."""
    names = [name.strip() for name in given.split(",") if name.strip()]
    for name in names:
        if not name.isidentifier():
            raise UsageError(f"%%workload: {option} {name} is not the name of a variable")
    return names


def _tags(given: Sequence[str]) -> dict[str, str]:
    return dict(_pair("--tag", tag) for tag in given)


def _options(given: Sequence[str]) -> dict[str, Any]:
    """Options by name: a value that is JSON is that value, any other is text (`gpus=2`, `time=2:00:00`)."""
    return {name: _json_or_text(value) for name, value in (_pair("--option", option) for option in given)}


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _pair(option: str, given: str) -> tuple[str, str]:
    name, equals, value = given.partition("=")
    if not equals:
        raise UsageError(f"%%workload: {option} {given} does not have the form NAME=VALUE")
    return name, value
