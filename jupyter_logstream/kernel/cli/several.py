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
    """Act on each workload and print its id; a failure is reported and does not stop the others. Raises NoServer.

    Returns the exit code.
    """
    code = 0
    for text in given.workloads:
        try:
            sys.stdout.write(f"{act(find(text, given.catalogue))}\n")
        except NoServer:
            raise
        except LogStreamError as error:
            sys.stderr.write(f"jupyter logstream: {error}\n")
            code = FAILED
    return code
