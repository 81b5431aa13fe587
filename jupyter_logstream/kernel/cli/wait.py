"""Verb `wait`: wait until workloads have ended. Command line."""

from __future__ import annotations

import asyncio
import sys
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from ...model.protocol import FINAL
from ...model.unprintable import printable
from ..event_loop import run_sync
from ..snapshot import as_text
from .exit_codes import NOT_WAITED, exit_code
from .json_lines import write_json
from .selection import Target, find

if TYPE_CHECKING:
    import argparse


def main(given: argparse.Namespace) -> int:
    """Run the verb; see parser.py. Raises LogStreamError."""
    targets = [find(text, given.catalogue) for text in given.workloads]
    ended: dict[str, dict[str, Any]] = {}
    try:
        run_sync(_wait_for_all(targets, ended, given), given.timeout)
    except TimeoutError:
        running = [target.label for target in targets if target.label not in ended]
        sys.stderr.write(f"jupyter logstream wait: after {given.timeout:g} s still running: {' '.join(running)}\n")
        return NOT_WAITED
    codes = [exit_code(ended[target.label]) for target in targets]
    return next((code for code in codes if code), 0)


async def _wait_for_all(targets: list[Target], ended: dict[str, dict[str, Any]], given: argparse.Namespace) -> None:
    async def wait_for(target: Target) -> None:
        ended[target.label] = info = await _end_of(target)
        _report(info, given)

    tasks = [
        asyncio.ensure_future(wait_for(target)) for target in {target.label: target for target in targets}.values()
    ]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


async def _end_of(target: Target) -> dict[str, Any]:
    """The final form of a workload. Only `done` matters: no history, and of new records the rarest source."""
    async with aclosing(target.source.frames(target.id, tail=0, source="system")) as frames:
        async for kind, data in frames:
            if kind == "done" or (kind == "status" and data["job"]["state"] in FINAL):
                found = data if kind == "done" else data["job"]
                return {name: value for name, value in found.items() if name not in {"stream", "cursor"}}
    raise AssertionError("a stream of frames ends with `done`")


def _report(info: dict[str, Any], given: argparse.Namespace) -> None:
    if given.json:
        write_json([info])
    elif not given.quiet:
        sys.stdout.write(f"{printable(as_text(info, []))}\n")
        sys.stdout.flush()
