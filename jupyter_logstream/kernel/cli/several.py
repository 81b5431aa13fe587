"""Verbs on several workloads: each is acted on, failures are reported one by one. Command line."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ..errors import LogStreamError, NoServer
from .exit_codes import FAILED
from .selection import Target, find

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable


def for_each(given: argparse.Namespace, act: Callable[[Target], str]) -> int:
    """Act on each workload once and print its id; a failure is reported and does not stop the others.

    All are selected first: what `last` or a name selects must not change with what was done to another. Returns the
    exit code. Raises NoServer.
    """
    targets: dict[str, Target] = {}
    code = 0
    for text in given.workloads:
        try:
            target = find(text, given.catalogue)
            targets[target.label] = target
        except NoServer:
            raise
        except LogStreamError as error:
            code = _report(error)
    for target in targets.values():
        try:
            sys.stdout.write(f"{act(target)}\n")
        except NoServer:
            raise
        except LogStreamError as error:
            code = _report(error)
    return code


def _report(error: LogStreamError) -> int:
    sys.stderr.write(f"jupyter logstream: {error}\n")
    return FAILED
