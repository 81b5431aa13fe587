"""Verbs on several workloads: each is acted on, failures are reported one by one. Command line."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ..errors import LogStreamError, NoServer
from .exit_codes import FAILED
from .selection import Target, find

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def for_each(texts: Sequence[str], act: Callable[[Target], str]) -> int:
    """Act on each workload and print its id; a failure is reported and does not stop the others. Raises NoServer.

    Returns the exit code.
    """
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
