"""Declaration of the command line: verbs, arguments, help. Command line; imports no client code, so that it is fast.

Each verb names the module of this package that runs it: `main(arguments) -> exit code`.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from ..._version import __version__
from . import values

if TYPE_CHECKING:
    from collections.abc import Sequence

    Verbs = Any  # argparse's _SubParsersAction, which has no public name

PROGRAM = "jupyter logstream"

_DESCRIPTION = """\
Start commands that outlive this terminal, and follow, stop and find them again.

WORKLOAD is an id, the beginning of one (4 characters or more), a name, `last` for the newest one, or UPSTREAM:ID.
"""

_EPILOG = """\
exit codes: 0 done, 1 failed, 2 wrong arguments, 69 no log server.
`run`, `wait` and `logs -f` exit as the workload did: its exit code, 128+N after signal N, 121 lost, 124 timed out,
127 not started, 143 cancelled; 125 if they failed themselves, 130 after Ctrl-C, which leaves the workload running.
"""


def build_parser() -> argparse.ArgumentParser:
    """The parser; parsed arguments have `module`, the verb's, and `waits`, whether the exit code is the workload's."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"jupyter-logstream {__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for declare in (_run, _ps, _logs, _wait, _cancel, _send, _rm, _open, _server, _backends):
        declare(verbs)
    return parser


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Parsed arguments; exits with 2 for wrong ones.

    Options can stand between the words of a list (`rm A -f B`), where argparse before 3.14 ends the list.
    """
    parser = build_parser()
    given, rest = parser.parse_known_args(arguments)
    words: list[str] | None = getattr(given, "workloads", getattr(given, "text", None))
    if rest and (words is None or any(word.startswith("-") for word in rest)):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if words is not None:
        words += rest
    return given


def _verb(
    verbs: Verbs,
    name: str,
    module: str,
    text: str,
    more: str = "",
    *,
    aliases: tuple[str, ...] = (),
    waits: bool = False,
) -> argparse.ArgumentParser:
    """Add a verb: `text` is its line in the list of verbs, `more` follows it in its own help."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        name,
        help=text,
        description=f"{text[0].upper()}{text[1:]}.\n\n{more}".rstrip(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        aliases=aliases,
        allow_abbrev=False,
    )
    parser.set_defaults(module=module, waits=waits)
    return parser


def _workload(parser: argparse.ArgumentParser, *, many: bool = False) -> None:
    name, count = ("workloads", "+") if many else ("workload", None)
    parser.add_argument(name, nargs=count, metavar="WORKLOAD", help="an id or its beginning, a name, or `last`")


_RUN = """\
Follows its log until it ends; Ctrl-C then detaches, and the workload continues. With -d, prints its id and returns.
One argument is run by /bin/sh -c, unless it names a program; several are run as they are. On the server's machine the
command has this shell's environment and directory.
"""


def _run(verbs: Verbs) -> None:
    parser = _verb(verbs, "run", "cli.run", "start a command as a workload", _RUN, waits=True)
    add = parser.add_argument
    add("-d", "--detach", action="store_true", help="print the id and return at once")
    add("--name", help="name in tables; default: the command")
    add("--backend", metavar="NAME", help="where it runs: a name of `jupyter logstream backends`; default: local")
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
    add("--json", action="store_true", help="with -d: print the workload as JSON instead of its id")
    add("command", nargs=argparse.REMAINDER, metavar="-- COMMAND ...", help="the command and its arguments")


def _ps(verbs: Verbs) -> None:
    parser = _verb(verbs, "ps", "cli.ps", "list running and queued workloads, newest first", aliases=("ls",))
    add = parser.add_argument
    add("-a", "--all", action="store_true", help="list those that have ended, too")
    add("-n", "--last", type=values.count, metavar="N", help="list the N newest, ended or not")
    add("-q", "--quiet", action="store_true", help="print ids only")
    add("--json", action="store_true", help="print one workload a line, as JSON")


_LOGS = """\
Into a pipe or file go the bytes as the workload wrote them, its stdout to stdout, its stderr to stderr. On a terminal,
colours stay and other control sequences are replaced. Lines chosen by a filter are plain text in a pipe.
"""


def _logs(verbs: Verbs) -> None:
    parser = _verb(verbs, "logs", "cli.logs", "print the log of a workload", _LOGS, aliases=("log",))
    _workload(parser)
    add = parser.add_argument
    add("-f", "--follow", action="store_true", help="print new lines until it ends; Ctrl-C detaches")
    add("-n", "--tail", type=values.count, metavar="N", help="begin with the last N lines; default: all")
    add("--after", type=values.cursor, metavar="SEQ", help="begin after this record, to continue exactly")
    add("--level", help="this level and above: trace, debug, info, warn, error, fatal")
    add("--grep", "-g", metavar="TEXT", help="only lines with this text, or matching /expression/")
    add("--exclude", "-v", metavar="TEXT", help="only lines without it")
    add("--step", help="only lines of this step")
    add("--source", choices=["stdout", "stderr", "log", "system"], help="only lines of this source")
    add("-t", "--timestamps", action="store_true", help="begin each line with its time")
    add("--json", action="store_true", help="print one record a line, as JSON")


def _wait(verbs: Verbs) -> None:
    text = "Prints a line for each when it has ended. The exit code is that of the first one, as given, that failed."
    parser = _verb(verbs, "wait", "cli.wait", "wait until workloads have ended", text, waits=True)
    _workload(parser, many=True)
    parser.add_argument(
        "--timeout", type=values.duration, metavar="TIME", help="give up after this time (exit code 125)"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing")
    parser.add_argument("--json", action="store_true", help="print one workload a line, as JSON")


def _cancel(verbs: Verbs) -> None:
    text = "Sends TERM to all of its processes, and KILL after the grace time. Returns at once; `wait` waits."
    parser = _verb(verbs, "cancel", "cli.cancel", "stop workloads", text, aliases=("stop",))
    _workload(parser, many=True)
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


def _send(verbs: Verbs) -> None:
    parser = _verb(verbs, "send", "cli.send", "write to the standard input of a workload", _SEND)
    _workload(parser)
    parser.add_argument("text", nargs="*", metavar="TEXT", help="words of the line to send")
    parser.add_argument("-n", "--no-newline", action="store_true", help="do not add a line end to TEXT")
    parser.add_argument("--eof", action="store_true", help="close its standard input afterwards")


def _rm(verbs: Verbs) -> None:
    parser = _verb(verbs, "rm", "cli.rm", "delete workloads and their logs", aliases=("delete",))
    _workload(parser, many=True)
    parser.add_argument("-f", "--force", action="store_true", help="cancel those that run, and wait for their end")


def _open(verbs: Verbs) -> None:
    parser = _verb(verbs, "open", "cli.open", "print the address of a workload's log in JupyterLab")
    _workload(parser)


_SERVER = """\
The private log server of this user. run() starts it where there is no Jupyter server with jupyter-logstream; it ends
by itself when it has no workloads and no clients, and gives its store to a Jupyter server that starts.
Workloads outlive it.

exit codes: 0 done or running, 1 failed, 2 wrong arguments, 3 not running (status)
"""


def _server(verbs: Verbs) -> None:
    parser = _verb(
        verbs, "server", "cli.server", "start, stop or describe the private log server of this user", _SERVER
    )
    parser.add_argument("action", nargs="?", choices=["start", "stop", "status"], default="status")


_BACKENDS = """\
With --check, tries each of them (or only NAME) from the server: can its machine be reached, is Python there, can its
folder be written to, are the scheduler's commands there. Folders on its machine that belong to no workload of this
server are listed.

exit codes: 0 every check passed, 1 one failed, 2 wrong arguments, 69 no log server
"""


def _backends(verbs: Verbs) -> None:
    parser = _verb(
        verbs, "backends", "doctor", "list the backends of the log server, and what each supports", _BACKENDS
    )
    parser.add_argument(
        "--check", nargs="?", const="", metavar="NAME", help="try each backend, or only NAME, and name what to do"
    )
