"""Protocol constants: version, workload states, environment variables, clock. Any process; stdlib, no I/O.

The contract that these names belong to is `docs/protocol.md`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Literal

PROTOCOL = 1
"""Version of the HTTP contract; grows only when an older client could not read what a newer server sends."""

State = Literal["queued", "running", "succeeded", "failed", "cancelled", "timed_out", "lost"]

TRANSITIONS: Mapping[str, frozenset[str]] = {
    "queued": frozenset({"running", "failed", "cancelled", "lost"}),
    "running": frozenset({"succeeded", "failed", "cancelled", "timed_out", "lost"}),
}
"""The states that each state can change to. A final state has no entry: it never changes."""

FINAL: frozenset[str] = frozenset({"succeeded", "failed", "cancelled", "timed_out", "lost"})
STATES: frozenset[str] = FINAL | TRANSITIONS.keys()

EXTERNAL = "external"
"""The backend of workloads that run elsewhere: a client publishes their log and reports their final state."""

WORKLOAD_VARIABLE = "JUPYTER_LOGSTREAM_WORKLOAD"
"""Environment variable of a workload: its id. Every descendant inherits it, so a process tree can be found by it."""

CALL_VARIABLE = "JUPYTER_LOGSTREAM_CALL"
"""Environment variable of a function's process: the maximum size of its result in bytes, `:`, and its folder."""

RUNNER_VARIABLE = "JUPYTER_LOGSTREAM_RUNNER"
"""Environment variable of a workload on another machine: its runner's socket, by which its processes publish."""

OUTPUT_VARIABLE = "JUPYTER_LOGSTREAM_OUTPUT"
"""Environment variable beside it: device and inode of the stdout and stderr that the runner reads, as `1:2,1:3`."""

SERVER_VARIABLE = "JUPYTER_LOGSTREAM_SERVER"
"""Environment variable: path of the file with the server's current URL and secret."""

URL_VARIABLE = "JUPYTER_LOGSTREAM_URL"
"""Environment variable: the server's URL when the process was started."""

SECRET_VARIABLE = "JUPYTER_LOGSTREAM_SECRET"  # noqa: S105 - the name of a variable
"""Environment variable: the secret with which kernels and workloads authenticate."""

TERMINAL_ROWS, TERMINAL_COLUMNS = 40, 120
"""The size of a workload's pseudo-terminal in characters."""


def now_ms() -> float:
    """The time now in Unix milliseconds; the fraction carries microseconds."""
    return time.time_ns() // 1000 / 1000
