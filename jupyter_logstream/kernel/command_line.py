"""Entry point of the command line `jupyter logstream`: dispatch of verbs, exit codes of errors. A process."""

from __future__ import annotations

import os
import sys
import warnings
from importlib import import_module
from typing import TYPE_CHECKING

from .cli.exit_codes import BROKEN_PIPE, FAILED, INTERRUPTED, NO_SERVER, NOT_WAITED

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from .cli.selection import Catalogue
    from .errors import LogStreamError


READING = frozenset({"ps", "ls", "logs", "log"})
"""Verbs that read only, so that they work on the local stores where no server can be had."""

OPTIONS = {"q": "--grep", "not": "--exclude"}
"""Filters of the protocol that have another name here."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a verb and return its exit code; docs/command-line.md lists them."""
    try:
        _open_closed_streams()
        from .cli.parser import parse  # noqa: PLC0415 - Ctrl-C can come before it is loaded

        given = parse(arguments)
        warnings.simplefilter("ignore", RuntimeWarning)  # gaps: the outputs report them
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr] # in an ASCII locale
        return _run(given)
    except KeyboardInterrupt:
        return INTERRUPTED


def _open_closed_streams() -> None:
    """A standard stream that the caller has closed is the null device: no file of ours may take its place."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - for the life of the process


def _end_output() -> None:
    """Write what is buffered. What cannot be written is dropped, else the interpreter would try it at its end."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(given: argparse.Namespace) -> int:
    from .errors import LogStreamError, NoServer  # noqa: PLC0415 - not for `--help`

    failed = NOT_WAITED if given.waits or getattr(given, "follow", False) else FAILED
    try:
        given.is_offline, given.catalogue = _catalogue(given)
        code: int = import_module(f".{given.module}", __package__).main(given)
        sys.stdout.flush()
    except NoServer as error:
        return _fail(error, NO_SERVER)
    except BrokenPipeError:
        _end_output()
        return BROKEN_PIPE
    except OSError as error:
        _end_output()
        return _fail(f"{error.strerror}: {error.filename}" if error.filename else error.strerror or error, failed)
    except (LogStreamError, ValueError, LookupError, TypeError) as error:  # others: of answers that are not ours
        if not given.is_offline and (foreign := _foreign_server()):
            return _fail(foreign, NO_SERVER)
        if not isinstance(error, LogStreamError):
            raise
        return _fail(_by_option(error), failed)
    return code


def _by_option(error: LogStreamError) -> str:
    """The message of the server, with the option in place of the filter's name in the protocol."""
    name, _, problem = str(error).partition(" ")
    is_filter = name in OPTIONS and getattr(error, "reason", "") == "invalid_parameter"
    return f"{OPTIONS[name]} {problem}" if is_filter else str(error)


def _fail(problem: object, code: int) -> int:
    sys.stderr.write(f"jupyter logstream: {problem}\n")
    return code


def _foreign_server() -> str | None:
    from .cli.diagnosis import foreign_server  # noqa: PLC0415 - after an error
    from .errors import NoServer  # noqa: PLC0415 - as above

    try:
        return foreign_server()
    except NoServer as error:
        return str(error)


def _catalogue(given: argparse.Namespace) -> tuple[bool, Catalogue | None]:
    """Whether no server can be had though reading is enough, and the server's workloads, else the stored ones.

    Raises NoServer.
    """
    from .errors import NoServer  # noqa: PLC0415 - not for `--help`

    if not given.needs_server:
        return True, None
    try:
        _ensure_server()
    except NoServer as error:
        if given.verb not in READING or getattr(given, "follow", False):
            raise
        from .offline.stored_logs import StoredLogs  # noqa: PLC0415 - rarely needed

        sys.stderr.write("jupyter logstream: no log server; showing what is stored, which can be out of date\n")
        return True, StoredLogs(error)
    from .cli.selection import ServerCatalogue  # noqa: PLC0415 - not for `--help`

    return False, ServerCatalogue()


def _ensure_server() -> None:
    """Start a private server where there is none; without a terminal quietly, as standard error is the workload's."""
    from .connection import start_servers_quietly  # noqa: PLC0415 - not for `--help`
    from .discovery import find_server, may_start  # noqa: PLC0415 - as above
    from .errors import NoServer  # noqa: PLC0415 - as above

    is_quiet = not sys.stderr.isatty()
    if is_quiet:
        start_servers_quietly()
    try:
        find_server()
    except NoServer:
        from .cli.running_servers import use_running_server  # noqa: PLC0415 - rarely needed

        if use_running_server():
            return
        if not may_start():
            raise
        from .private_server import ensure_server  # noqa: PLC0415 - rarely needed

        ensure_server(quiet=is_quiet)
