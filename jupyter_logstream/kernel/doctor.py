"""Command line of the doctor: which backends the server has, and whether they work. A process of its own."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from .connection import call

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

EXTERNAL = "external"
"""The name under which the server lists workloads that it does not start; there is nothing to check."""


def main(arguments: argparse.Namespace) -> int:
    """Run `backends` and return its exit code. Raises LogStreamError."""
    supports: dict[str, list[str]] = call("GET", "info").json()["supports"]
    names = sorted(set(supports) - {EXTERNAL})
    if arguments.check is None:
        return _write([f"{name}: {', '.join(sorted(supports[name]))}" for name in names], 0)
    if arguments.check and arguments.check not in names:
        sys.stderr.write(f"There is no backend {arguments.check!r}; the server has {', '.join(names)}.\n")
        return 2
    return 0 if check_backends([arguments.check] if arguments.check else names) else 1


def check_backends(names: Sequence[str]) -> bool:
    """Let the server try backends, and print what it finds; returns whether all work. Raises LogStreamError."""
    found = [call("POST", f"backends/{name}/check").json() for name in names if name != EXTERNAL]
    _write([line for one in found for line in _report(one)], 0)
    return all(one["ok"] for one in found)


def _report(found: dict[str, Any]) -> list[str]:
    """One backend's result: a line for each check, what to do below one that failed, then what is left over."""
    lines = [f"{found['backend']}: {'works' if found['ok'] else 'does not work'}"]
    for check in found["checks"]:
        text = f"{check['what']}: {check['found']}" if check["found"] else check["what"]
        lines.append(f"  {'ok    ' if check['ok'] else 'FAILED'}  {text}")
        if not check["ok"] and check["advice"]:
            lines.append(f"          {check['advice']}")
    if found["leftovers"]:
        lines.append("  left over, of no workload of this server (delete them there if no other server uses them):")
        lines += [f"          {place}" for place in found["leftovers"]]
    return lines


def _write(lines: list[str], code: int) -> int:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return code
