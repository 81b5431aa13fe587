"""Verb `rm`: delete workloads and their logs. Command line."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ...model.protocol import FINAL
from ..errors import Rejected
from .following import SilentOutput, follow
from .several import for_each

if TYPE_CHECKING:
    import argparse

    from .selection import Target


def main(given: argparse.Namespace) -> int:
    """Run the verb; see parser.py. Raises NoServer."""
    return for_each(given, partial(_remove, force=given.force))


def _remove(target: Target, *, force: bool) -> str:
    if target.info()["state"] not in FINAL:
        if not force:
            raise Rejected(
                f"{target.label} has not ended: cancel it first, or use `rm --force`, which does both.", "still_running"
            )
        target.source.request("POST", target.id, "/cancel")
        follow(target, SilentOutput(), tail=0, source="system")
    target.source.request("DELETE", target.id)
    return target.label
