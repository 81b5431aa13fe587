"""Verb `cancel`: stop workloads. Command line."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ..errors import LogStreamError, NoServer
from .exit_codes import FAILED
from .selection import Target, find

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence


def main(given: argparse.Namespace) -> int:
    """Run the verb; see parser.py. Raises NoServer."""
    return for_each(given.workloads, _cancel)


def _cancel(target: Target) -> str:
    target.source.request("POST", target.id, "/cancel")
    return target.label


def for_each(texts: Sequence[str], act: Callable[[Target], str]) -> int:
    """Act on each workload and print its id; one that fails is reported and keeps no other from it."""
    code = 0
    for text in texts:
        try:
            sys.stdout.write(f"{act(find(text))}\n")
        except NoServer:
            raise
        except LogStreamError as error:
            sys.stderr.write(f"jupyter logstream: {error}\n")
            code = FAILED
    return code
