"""The environment variables of a workload's child process. Server; stdlib, no I/O."""

from __future__ import annotations

from collections.abc import Mapping

from ..model.protocol import TERMINAL_COLUMNS, TERMINAL_ROWS

# With a terminal, programs write line by line and in colour; pagers are off since no user presses a key.
_TERMINAL = {
    "TERM": "xterm-256color", "COLUMNS": str(TERMINAL_COLUMNS), "LINES": str(TERMINAL_ROWS),
    "PAGER": "cat", "GIT_PAGER": "cat", "MANPAGER": "cat", "SYSTEMD_PAGER": "", "AWS_PAGER": "",
    "LESS": "-~FRX +1g99999999jq", "MORE": "-e",  # called by name they show everything and end
}  # fmt: skip
# Into a pipe, Python would write in blocks of 8 KiB.
_PIPES = {"PYTHONUNBUFFERED": "1"}


def child_environment(ambient: Mapping[str, str], given: Mapping[str, str], *, tty: bool) -> dict[str, str]:
    """Merge the variables of a child: `ambient`, then those for its terminal or pipes, then `given`, which win."""
    return {**ambient, **(_TERMINAL if tty else _PIPES), **given}
