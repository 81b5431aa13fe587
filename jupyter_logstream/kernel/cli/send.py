"""Verb `send`: write to the standard input of a workload. Command line."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from .selection import find

if TYPE_CHECKING:
    import argparse

    from .selection import Target

INPUT_CHUNK_BYTES = 1 << 16


def main(given: argparse.Namespace) -> int:
    """Run the verb; see parser.py. Raises LogStreamError."""
    target = find(given.workload, given.catalogue)
    if given.text:
        end = "" if given.no_newline else "\n"
        send(target, (" ".join(given.text) + end).encode("utf-8", "surrogateescape"))
    elif not (given.eof and sys.stdin.isatty()):
        copy_input(target)
    if given.eof:
        close_input(target)
    return 0


def copy_input(target: Target) -> None:
    """Send our standard input until its end. Raises LogStreamError."""
    while data := os.read(sys.stdin.fileno(), INPUT_CHUNK_BYTES):
        send(target, data)


def send(target: Target, data: bytes) -> None:
    """Send bytes; returns when the workload's pipe has accepted them. Raises LogStreamError."""
    target.source.request("POST", target.id, "/input", raw=data)


def close_input(target: Target) -> None:
    """Close the workload's standard input. Raises LogStreamError."""
    target.source.request("POST", target.id, "/input", params={"eof": 1}, raw=b"")
