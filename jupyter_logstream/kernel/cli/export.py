"""Verb `export`: write a log to a file. Command line."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ..export import SUFFIXES, export
from .exit_codes import USAGE
from .logs import filters_of
from .selection import find

if TYPE_CHECKING:
    import argparse


def main(given: argparse.Namespace) -> int:
    """Run the verb; see workload_verbs.py. Raises LogStreamError, OSError."""
    if not given.file.lower().endswith(SUFFIXES):
        sys.stderr.write(f"jupyter logstream export: the file's name must end in one of {', '.join(SUFFIXES)}\n")
        return USAGE
    target = find(given.workload, given.catalogue)
    start = {name: value for name, value in (("after", given.after), ("tail", given.tail)) if value is not None}
    sys.stdout.write(f"{export(target.source, target.id, given.file, {**start, **filters_of(given)})}\n")
    return 0
