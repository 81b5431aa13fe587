"""Verb `cancel`: stop workloads. Command line."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from .several import for_each

if TYPE_CHECKING:
    import argparse

    from .selection import Target


def main(given: argparse.Namespace) -> int:
    """Run the verb; see parser.py. Raises NoServer."""
    return for_each(given, partial(_cancel, grace_s=given.grace))


def _cancel(target: Target, *, grace_s: int | None) -> str:
    params = None if grace_s is None else {"grace": grace_s}
    target.source.request("POST", target.id, "/cancel", params=params)
    return target.label
