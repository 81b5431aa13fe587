"""Exit codes of the command line: the workload's own where a verb waits for it. Command line; values only.

docs/command-line.md lists them; `timeout`, `docker run` and shells use the same numbers where they have one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

FAILED = 1
USAGE = 2
NOT_RUNNING = 3
"""`server status` without a private server, as in init scripts."""
NO_SERVER = 69
"""EX_UNAVAILABLE of sysexits.h."""
LOST = 121
TIMED_OUT = 124
NOT_WAITED = 125
"""`run`, `wait` and `logs -f` failed themselves, so the workload's exit code is unknown."""
NOT_STARTED = 127
INTERRUPTED = 130
"""128 + SIGINT: detached by Ctrl-C; the workload continues."""
BROKEN_PIPE = 141
"""128 + SIGPIPE: the reader of our output has ended, such as `head`."""
CANCELLED = 143
"""128 + SIGTERM, which a cancel sends."""

_OF_STATES = {"succeeded": 0, "cancelled": CANCELLED, "timed_out": TIMED_OUT, "lost": LOST}


def exit_code(info: Mapping[str, Any]) -> int:
    """The exit code that stands for a final workload, `info` in the protocol's JSON form."""
    if (code := _OF_STATES.get(info["state"])) is not None:
        return code
    if info.get("signal") is not None:
        return 128 + int(info["signal"])
    if info.get("exit_code") is not None:
        return int(info["exit_code"]) & 0xFF or FAILED
    return NOT_STARTED if info.get("error") else FAILED
