"""Entry points of the kernel's API: start a workload, list workloads, attach to one. Runs in kernels, in user code.

`Workload` adds the display hooks of IPython to the handle. This file must not import the server side.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal, overload
from uuid import uuid4

from ..model.protocol import WORKLOAD_VARIABLE
from .connection import call
from .errors import NotFound
from .functions.result_handle import ResultHandle
from .handle import list_workloads
from .placement import place

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import ModuleType

    from .widgets import LogView


class Plan(str):
    """What `run(..., dry_run=True)` would submit. It was printed, so a cell does not show it again."""

    __slots__ = ()

    def _ipython_display_(self) -> None:
        pass


@overload
def run(
    command: str | Sequence[str | os.PathLike[str]] | Callable[[], Any],
    *,
    dry_run: Literal[False] = False,
    name: str | None = None,
    cwd: str | os.PathLike[str] | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
    tty: bool = True,
    stdin: bool = False,
    tags: Mapping[str, str] | None = None,
    key: str | None = None,
    backend: str | None = None,
    options: Mapping[str, Any] | None = None,
    files: Sequence[str] = (),
    by_value: Sequence[ModuleType] = (),
) -> Workload: ...
@overload
def run(
    command: str | Sequence[str | os.PathLike[str]] | Callable[[], Any],
    *,
    dry_run: Literal[True],
    name: str | None = None,
    cwd: str | os.PathLike[str] | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
    tty: bool = True,
    stdin: bool = False,
    tags: Mapping[str, str] | None = None,
    key: str | None = None,
    backend: str | None = None,
    options: Mapping[str, Any] | None = None,
    files: Sequence[str] = (),
    by_value: Sequence[ModuleType] = (),
) -> Plan: ...
def run(
    command: str | Sequence[str | os.PathLike[str]] | Callable[[], Any],
    *,
    name: str | None = None,
    cwd: str | os.PathLike[str] | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
    tty: bool = True,
    stdin: bool = False,
    tags: Mapping[str, str] | None = None,
    key: str | None = None,
    backend: str | None = None,
    options: Mapping[str, Any] | None = None,
    files: Sequence[str] = (),
    by_value: Sequence[ModuleType] = (),
    dry_run: bool = False,
) -> Workload | Plan:
    """Start `command` as a workload and return its handle at once; it outlives the cell, the kernel and the server.

    `command`: a string is run by `/bin/sh`, a list is executed as it is, a function is called without arguments (bind
    them by `functools.partial`) in a new process of this Python; `.result()` of the handle returns its value. `name`:
    shown in tables; default: the command or call. `cwd`: the working directory; default, and base of a relative path:
    the kernel's. `env`: variables merged over this kernel's environment, whose PATH starts with the folder of its
    Python. On another machine, directory and environment are that machine's, and these two add to it. `timeout`:
    seconds after which the workload is ended like by `cancel()`, with the state `timed_out`; default: none. `tty`: True
    gives it terminals, so that programs write line by line and in colour, False gives it pipes. `stdin`: True lets
    `send()` write to its standard input. `tags`: at most 64 names with string values, kept in `.info["tags"]`; the
    workload table filters by them. `key`: an idempotency key; as long as a workload with the same key is stored, it is
    returned and none is started. `backend`: where it runs, a name in `c.LogStream.backends`; default: `local`.
    `options`: options of that backend. `files`: paths and globs, relative to the kernel's directory, of what the
    workload needs; the server copies them into its directory on another machine. `by_value`: modules that the function
    uses and that are sent with it as they are now, such as one that you edit; others are imported in its process.
    `dry_run`: start nothing; print and return the script that would be submitted.

    Raises NoServer, and Rejected naming the wrong argument; for a function CannotPickle naming the variable that cannot
    be sent to its process, and TypeError if it needs arguments. A command that cannot be started raises nothing: the
    state of the workload is `failed`, and `.error` has the reason.
    """
    if isinstance(files, str):
        raise TypeError(f"files must be a list: files=[{files!r}]")
    fields = {
        **_what(command, by_value, dry_run=dry_run),
        **place(backend, cwd, env),
        "tty": tty,
        "stdin": stdin,
        "key": key or uuid4().hex,  # makes the request safe to repeat
        "name": name,
        "timeout": timeout,
        "tags": None if tags is None else dict(tags),
        "backend": backend,
        "options": None if options is None else dict(options),
        "files": list(files) or None,
        "files_from": os.getcwd() if files else None,
        "dry_run": dry_run or None,
    }
    response = call("POST", "workloads", body={field: value for field, value in fields.items() if value is not None})
    if dry_run:
        plan = Plan(response.json()["plan"])
        print(plan)  # noqa: T201 - the purpose of a dry run
        return plan
    return Workload(response.json()["id"])


def _what(
    command: str | Sequence[str | os.PathLike[str]] | Callable[[], Any],
    by_value: Sequence[ModuleType],
    *,
    dry_run: bool,
) -> dict[str, Any]:
    """The fields of the command or the call."""
    if callable(command):
        from .functions.call import call_fields, plan_fields  # noqa: PLC0415 - cloudpickle: only for functions

        return plan_fields(command) if dry_run else call_fields(command, by_value)
    return {"command": command if isinstance(command, str) else [os.fsdecode(part) for part in command]}


def workloads(state: str | None = None, limit: int = 50) -> list[Workload]:
    """The handles of this server's workloads, newest first.

    `state`: only workloads in this state (see `Workload.state`). `limit`: at most so many. Raises NoServer, and
    Rejected for an unknown state.
    """
    return [Workload(info["id"], info=info) for info in list_workloads(state, limit)]


def attach(id: str) -> Workload:  # noqa: A002 - the protocol's own name
    """The handle of an existing workload, in any kernel or script.

    `id`: its id, as tables and outputs show it; `"runs:ID"` is the workload ID of another log server, which this
    server's configuration names as the upstream `runs` (`c.LogStream.upstreams`). Raises NotFound, NoServer, and
    ServerFailed where the upstream fails.
    """
    upstream, is_remote, remote_id = id.partition(":")
    if is_remote:
        from .remote import find_source  # noqa: PLC0415 - only needed for upstreams

        return Workload(remote_id, find_source(upstream, remote_id))
    workload = Workload(id)
    try:
        workload.info  # noqa: B018 - sends the request
    except NotFound:
        raise NotFound(f"There is no workload {id!r} on this server; workloads() lists those there are.") from None
    return workload


class Workload(ResultHandle):
    """A handle on a workload, made by `run()`, `attach()` and `workloads()`.

    As the last line of a cell it shows the live log. `wait()` or `await` it for the end. Handles of the same workload
    are equal. Every property is a request to the server until the state is final; all of them raise NoServer, and
    NotFound once the workload is deleted.
    """

    __slots__ = ()

    @classmethod
    def current(cls) -> Workload | None:
        """The workload that this process is part of; None outside a workload. Sends no request."""
        workload_id = os.environ.get(WORKLOAD_VARIABLE)
        return None if workload_id is None else cls(workload_id)

    def show(self, height: int | None = None) -> LogView | None:
        """A live view of its log for the cell's output. `height`: pixels; default: up to the page's own limit.

        In scripts and in IPython in a terminal it prints the last 1000 lines, then each line as it is written, with
        colours, until the workload ends, and returns None. Ctrl-C stops the printing, not the workload. `LogView(job)`
        makes a view in every process.
        """
        from .terminal import TAIL_LINES, is_terminal, show  # noqa: PLC0415 - only needed here

        if is_terminal():
            show(self, self._source.frames(self.id, tail=TAIL_LINES))
            return None
        from .widgets import LogView  # noqa: PLC0415 - slow, and only for kernels

        return LogView(self, height=height or 0)

    def _ipython_display_(self) -> None:
        from .display import show  # noqa: PLC0415 - as above

        show(self)

    def _display_(self) -> LogView:  # marimo's protocol
        from .widgets import LogView  # noqa: PLC0415 - as above

        return LogView(self)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return self.snapshot()  # for callers that want a value instead of a display
