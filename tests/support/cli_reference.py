"""The reference of the command line as Markdown, made from its parser. Run this file to write it anew."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from support.paths import ROOT

from jupyter_logstream.kernel.cli.parser import PROGRAM, build_parser

if TYPE_CHECKING:
    from collections.abc import Iterator

FILE = ROOT / "docs" / "reference" / "command-line.md"
HEAD = """\
# Command line reference

With this page you can look up each verb and option of `jupyter logstream`. [Use the command line](../command-line.md)
shows them at work and lists the exit codes. `jupyter logstream VERB --help` prints the same. This page is made from the
program: `PYTHONPATH=tests .venv/bin/python tests/support/cli_reference.py`.
"""


def reference() -> str:
    """The whole page."""
    return HEAD + "".join(f"\n{_section(parser, aliases)}" for parser, aliases in verbs())


def verbs() -> Iterator[tuple[argparse.ArgumentParser, list[str]]]:
    """Each verb's parser with its aliases."""
    (choices,) = [action.choices for action in build_parser()._actions if isinstance(action.choices, dict)]
    for parser in dict.fromkeys(choices.values()):
        yield parser, [name for name, one in choices.items() if one is parser][1:]


def _section(parser: argparse.ArgumentParser, aliases: list[str]) -> str:
    name = parser.prog.removeprefix(f"{PROGRAM} ")
    first, _, more = str(parser.description).partition("\n\n")
    also = f" Also: {', '.join(f'`{alias}`' for alias in aliases)}." if aliases else ""
    text = f"\n```text\n{more.strip()}\n```\n" if more else ""
    rows = [_row(action) for action in parser._actions if action.dest != "help"]
    table = "\n| argument | meaning |\n|---|---|\n" + "".join(rows) if rows else ""
    return f"## `{name}`\n\n{first}{also}\n{text}{table}"


def _row(action: argparse.Action) -> str:
    value: Any = action.metavar or (r"\|".join(action.choices) if action.choices else action.dest.upper())
    if action.option_strings:
        value = f"[{value}]" if action.nargs == "?" else value
        takes = "" if action.nargs == 0 else f" {value}"
        shown = ", ".join(f"`{option}{takes if option.startswith('--') else ''}`" for option in action.option_strings)
    else:
        shown = f"`{value}`" + (" ..." if action.nargs in {"+", "*"} else "")
    return f"| {shown} | {action.help or ''} |\n"


if __name__ == "__main__":
    FILE.write_text(reference(), encoding="utf-8")
