"""Verb `completion`: the script that lets a shell complete our arguments, by argcomplete. Command line."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from argcomplete.shell_integration import shellcode

if TYPE_CHECKING:
    import argparse

PROGRAMS = ("jupyter-logstream", "jupyter")
"""Completing `jupyter` is jupyter_core's own offer; it passes the words behind `jupyter logstream` on to us."""


def main(given: argparse.Namespace) -> int:
    """Run the verb; see server_verbs.py."""
    sys.stdout.write(f"{shellcode(list(PROGRAMS), shell=given.shell)}\n")
    return 0
