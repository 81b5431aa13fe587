"""Arguments of the verbs on workloads: run, follow, ps, logs, wait, cancel, send, rm, open, export. Command line."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ...model.records import LEVELS, SOURCES
from . import values
from .declaring import add_workload, complete_backends, declare

if TYPE_CHECKING:
    from .declaring import Verbs

_RUN = """\
Follows its log until it ends; Ctrl-C then detaches, and the workload continues. With -d, prints its id and returns.
One argument is run by /bin/sh -c, unless it names a program; several are run as they are. On the server's machine the
command has this shell's environment and directory.
"""


def add_run(verbs: Verbs) -> None:
    """Declare `run`."""
    parser = declare(verbs, "run", "start a command as a workload", _RUN, waits=True)
    add = parser.add_argument
    add("-d", "--detach", action="store_true", help="print the id and return at once")
    add("--name", help="name in tables; default: the command")
    backend = add(
        "--backend", metavar="NAME", help="where it runs: a name of `jupyter logstream backends`; default: local"
    )
    backend.completer = complete_backends  # type: ignore[attr-defined] # argcomplete's hook
    add("--cwd", "-w", "--workdir", metavar="FOLDER", help="working directory; default: this one")
    add(
        "--env",
        "-e",
        action="append",
        type=values.variable,
        metavar="NAME[=VALUE]",
        help="set a variable; NAME alone passes this shell's value, also to other machines",
    )
    add(
        "--tty",
        "-t",
        action=argparse.BooleanOptionalAction,
        help="give it a terminal, so that it writes line by line and in colour; default: only if its output is shown "
        "on one, or with -d",
    )
    add("--stdin", "-i", "--interactive", action="store_true", help="keep its standard input open, and send it ours")
    add("--timeout", type=values.duration, metavar="TIME", help="end it after this time: seconds, or 10m, 2h, 1d")
    add(
        "--option",
        "-o",
        action="append",
        type=values.option,
        metavar="NAME=VALUE",
        help="an option of the backend; the value is read as JSON where it is valid JSON",
    )
    add("--files", action="append", metavar="PATTERN", help="files that it needs on another machine")
    add("--tag", "-l", "--label", action="append", type=values.pair, metavar="NAME=VALUE", help="a tag for the tables")
    add("--key", help="idempotency key: with the same key again, no second workload is started")
    add("--dry-run", action="store_true", help="start nothing; print what would be submitted")
    add("--json", action="store_true", help="print one record a line, as JSON; with -d: the workload")
    add("command", nargs=argparse.REMAINDER, metavar="-- COMMAND ...", help="the command and its arguments")


_FOLLOW = """\
Like `tail -F`: across rotation, truncation and re-creation, and a file that does not exist yet is waited for. A glob in
quotes picks up new files. Prints the lines; Ctrl-C detaches, and `cancel` ends it. Files must lie below the server's
root or c.LogStream.follow_roots, and are only read.
"""


def add_follow(verbs: Verbs) -> None:
    """Declare `follow`."""
    parser = declare(verbs, "follow", "show files that other programs write as a log", _FOLLOW, waits=True)
    add = parser.add_argument
    add("paths", nargs="+", metavar="PATH", help="a file, or a glob in quotes such as 'logs/*.log'")
    add("-d", "--detach", action="store_true", help="print the id and return at once")
    add("--name", help="name in tables; default: the paths")
    add("-n", "--tail", type=values.count, metavar="N", help="begin with the last N lines; default: the last 16 MiB")
    add("--from-start", action="store_true", help="begin with the first line, however large the file is")
    add("--poll", action="store_true", help="look for changes at intervals only, without inotify")
    add("--timeout", type=values.duration, metavar="TIME", help="end it after this time: seconds, or 10m, 2h, 1d")
    add("--tag", "-l", "--label", action="append", type=values.pair, metavar="NAME=VALUE", help="a tag for the tables")
    add("--key", help="idempotency key: with the same key again, no second workload is started")
    add("--json", action="store_true", help="print one record a line, as JSON; with -d: the workload")


def add_ps(verbs: Verbs) -> None:
    """Declare `ps`."""
    parser = declare(verbs, "ps", "list running and queued workloads, newest first", aliases=("ls",))
    add = parser.add_argument
    add("-a", "--all", action="store_true", help="list those that have ended, too")
    add("-n", "--last", type=values.count, metavar="N", help="list the N newest, ended or not")
    add("-q", "--quiet", action="store_true", help="print ids only")
    add("--json", action="store_true", help="print one workload a line, as JSON")


_LOGS = """\
Into a pipe or file go the bytes as the workload wrote them, its stdout to stdout, its stderr to stderr. On a terminal,
colours stay and other control sequences are replaced. Lines chosen by a filter are plain text in a pipe.
"""


def add_logs(verbs: Verbs) -> None:
    """Declare `logs`."""
    parser = declare(verbs, "logs", "print the log of a workload", _LOGS, aliases=("log",))
    add_workload(parser)
    add = parser.add_argument
    add("-f", "--follow", action="store_true", help="print new lines until it ends; Ctrl-C detaches")
    _add_beginning(parser, "begin after this record, to continue exactly")
    _add_filters(parser)
    add("-t", "--timestamps", action="store_true", help="begin each line with its time")
    add("--json", action="store_true", help="print one record a line, as JSON")


def _add_beginning(parser: argparse.ArgumentParser, after: str) -> None:
    add = parser.add_mutually_exclusive_group().add_argument
    add("-n", "--tail", type=values.count, metavar="N", help="begin with the last N lines; default: all")
    add("--after", type=values.cursor, metavar="SEQ", help=after)


def _add_filters(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--level", choices=LEVELS[1:], help="this level and above")
    add("--grep", "-g", metavar="TEXT", help="only lines with this text, or matching /expression/")
    add("--exclude", "-v", metavar="TEXT", help="only lines without it")
    add("--step", help="only lines of this step")
    add("--source", choices=SOURCES, help="only lines of this source")


def add_wait(verbs: Verbs) -> None:
    """Declare `wait`."""
    text = "Prints a line for each when it has ended. The exit code is that of the first one, as given, that failed."
    parser = declare(verbs, "wait", "wait until workloads have ended", text, waits=True)
    add_workload(parser, many=True)
    parser.add_argument(
        "--timeout", type=values.duration, metavar="TIME", help="give up after this time (exit code 125)"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing")
    parser.add_argument("--json", action="store_true", help="print one workload a line, as JSON")


def add_cancel(verbs: Verbs) -> None:
    """Declare `cancel`."""
    text = "Sends TERM to all of its processes, and KILL after the grace time. Returns at once; `wait` waits."
    parser = declare(verbs, "cancel", "stop workloads", text, aliases=("stop",))
    add_workload(parser, many=True)
    parser.add_argument(
        "--grace",
        type=values.grace,
        metavar="TIME",
        help="time between TERM and KILL; 0 kills at once; default: the server's",
    )


_SEND = """\
Sends TEXT and a line end, or without TEXT our standard input until its end. The workload must have been started with
`run --stdin`.
"""


def add_send(verbs: Verbs) -> None:
    """Declare `send`."""
    parser = declare(verbs, "send", "write to the standard input of a workload", _SEND)
    add_workload(parser)
    parser.add_argument("text", nargs="*", metavar="TEXT", help="words of the line to send")
    parser.add_argument("-n", "--no-newline", action="store_true", help="do not add a line end to TEXT")
    parser.add_argument("--eof", action="store_true", help="close its standard input afterwards")


def add_rm(verbs: Verbs) -> None:
    """Declare `rm`."""
    parser = declare(verbs, "rm", "delete workloads and their logs", aliases=("delete",))
    add_workload(parser, many=True)
    parser.add_argument("-f", "--force", action="store_true", help="cancel those that run, and wait for their end")


def add_open(verbs: Verbs) -> None:
    """Declare `open`."""
    parser = declare(verbs, "open", "print the address of a workload's log in JupyterLab")
    add_workload(parser)


_EXPORT = """\
The ending of FILE selects the format: .parquet, .jsonl (OpenTelemetry), .html or .txt. A file of that name is replaced
when the export is complete.
A page (.html) has at most the last 200,000 of the lines.
"""


def add_export(verbs: Verbs) -> None:
    """Declare `export`."""
    parser = declare(verbs, "export", "write the log of a workload to a file", _EXPORT)
    add_workload(parser)
    parser.add_argument("file", metavar="FILE", help="the file to write")
    _add_beginning(parser, "begin after this record")
    _add_filters(parser)
