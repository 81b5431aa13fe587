"""Declaration of the command line: verbs, arguments, help. Command line; imports no client code, so that it is fast.

Each verb names the module of this package that runs it: `main(arguments) -> exit code`.
"""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from ..._version import __version__
from . import server_verbs, workload_verbs

if TYPE_CHECKING:
    from collections.abc import Sequence

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


VERBS = (
    workload_verbs.add_run,
    workload_verbs.add_follow,
    workload_verbs.add_ps,
    workload_verbs.add_logs,
    workload_verbs.add_wait,
    workload_verbs.add_cancel,
    workload_verbs.add_send,
    workload_verbs.add_rm,
    workload_verbs.add_open,
    workload_verbs.add_export,
    server_verbs.add_mcp,
    server_verbs.add_server,
    server_verbs.add_backends,
    server_verbs.add_doctor,
    server_verbs.add_completion,
)
"""What declares each verb, in the order of the help."""


def build_parser() -> argparse.ArgumentParser:
    """The parser. Parsed arguments have `module` and `parser` of the verb; `waits`: its exit code is the workload's."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"jupyter-logstream {__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for add_verb in VERBS:
        add_verb(verbs)
    return parser


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Parsed arguments; exits with 2 for wrong ones.

    Options can stand between the words of a list (`rm A -f B`), where argparse before 3.14 ends the list.
    """
    parser = build_parser()
    if "_ARGCOMPLETE" in os.environ:  # a shell completes our arguments
        import argcomplete  # noqa: PLC0415 - only then

        argcomplete.autocomplete(parser, always_complete_options=False)
    given, rest = parser.parse_known_args(arguments)
    found = [getattr(given, name) for name in ("workloads", "text", "paths") if hasattr(given, name)]
    words: list[str] | None = found[0] if found else None
    if rest and (words is None or any(word.startswith("-") for word in rest)):
        given.parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if words is not None:
        words += rest
    return given
