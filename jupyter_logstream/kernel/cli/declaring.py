"""Declaration of one verb: its parser, the argument that names workloads. Command line; argparse only."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    Verbs = Any  # argparse's _SubParsersAction, which has no public name


def declare(
    verbs: Verbs,
    name: str,
    text: str,
    more: str = "",
    *,
    module: str = "",
    aliases: Sequence[str] = (),
    waits: bool = False,
    needs_server: bool = True,
) -> argparse.ArgumentParser:
    """Add a verb: `text` is its line in the list of verbs, `more` follows it in its own help.

    `module`: below this folder's parent, with `main(arguments) -> exit code`; default: the verb's own in this folder.
    `waits`: its exit code is the workload's. `needs_server`: a server is found or started before it runs.
    """
    parser: argparse.ArgumentParser = verbs.add_parser(
        name,
        help=text,
        description=f"{text[0].upper()}{text[1:]}.\n\n{more}".rstrip(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        aliases=aliases,
        allow_abbrev=False,
    )
    parser.set_defaults(parser=parser, module=module or f"cli.{name}", waits=waits, needs_server=needs_server)
    return parser


def add_workload(parser: argparse.ArgumentParser, *, many: bool = False) -> None:
    """Add the argument that names a workload, or `many`."""
    name, count = ("workloads", "+") if many else ("workload", None)
    added = parser.add_argument(name, nargs=count, metavar="WORKLOAD", help="an id or its beginning, a name, or `last`")
    added.completer = complete_workloads  # type: ignore[attr-defined] # argcomplete's hook


def complete_workloads(prefix: str, **_: Any) -> dict[str, str]:
    """The ids and names with a prefix, and their states; of the newest workloads."""
    from .completing import workloads  # noqa: PLC0415 - while completing only

    return workloads(prefix)


def complete_backends(**_: Any) -> list[str]:
    """The names of the server's backends."""
    from .completing import backends  # noqa: PLC0415 - as above

    return backends()
