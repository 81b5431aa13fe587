"""Durations, states, signals and places in words, as the saved notebook and the page show them. Kernels; values only.

The page has the same words (js/src/text/format.ts); tests/vectors/ (durations, states, places) tests both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_LABELS = {
    "queued": "Queued", "running": "Running", "succeeded": "Done", "failed": "Failed", "cancelled": "Cancelled",
    "timed_out": "Timed out", "lost": "Lost",
}  # fmt: skip
# The signals that commonly end a workload, numbered alike on Linux and macOS; others keep their number.
_SIGNALS = {
    1: "SIGHUP", 2: "SIGINT", 3: "SIGQUIT", 4: "SIGILL", 6: "SIGABRT", 8: "SIGFPE", 9: "SIGKILL", 11: "SIGSEGV",
    13: "SIGPIPE", 15: "SIGTERM",
}  # fmt: skip


def duration(ms: float) -> str:
    """A duration in milliseconds by its two largest units, rounded down: `4.2 s`, `2m 05s`, `1h 02m`, `2d 01h`."""
    seconds = max(0, int(ms)) // 1000
    if seconds < 10:
        return f"{seconds}.{max(0, int(ms)) // 100 % 10} s"
    if seconds < 60:
        return f"{seconds} s"
    minutes = seconds // 60
    if minutes < 60:
        return f"{minutes}m {seconds % 60:02}s"
    hours = minutes // 60
    return f"{hours}h {minutes % 60:02}m" if hours < 24 else f"{hours // 24}d {hours % 24:02}h"


def state_label(state: str) -> str:
    """The label of a state: `Done` for `succeeded`. A state that only a newer server has keeps its name."""
    return _LABELS.get(state, state)


def ending(info: Mapping[str, Any]) -> str:
    """How a workload's process ended: `exit code 3`, `SIGKILL`, `signal 40`; "" if that is unknown.

    `info`: the workload as the server's JSON has it. The signal takes precedence over the exit code.
    """
    signal, exit_code = info.get("signal"), info.get("exit_code")
    if signal is not None:
        return _SIGNALS.get(signal, f"signal {signal}") if isinstance(signal, int) else str(signal)
    return "" if exit_code is None else f"exit code {exit_code}"


def state_summary(info: Mapping[str, Any]) -> str:
    """State, ending and reason in one phrase: `Failed (exit code 1)`, `Queued (Resources)`."""
    details = ", ".join(filter(None, [ending(info), str(info.get("reason") or "")]))
    label = state_label(info["state"])
    return f"{label} ({details})" if details else label


_UNNAMED = frozenset({"local", "external"})
"""Backends that need no name: this machine, and a publisher that the server did not start."""


def place_of(info: Mapping[str, Any]) -> str:
    """Where a workload runs: `gpu1`, `cluster · node17`; "" on this machine."""
    backend, node = str(info.get("backend") or "local"), str(info.get("node") or "")
    if backend in _UNNAMED:
        return node
    return f"{backend} · {node}" if node not in {"", backend} else backend


_PLAIN_TYPES = frozenset({"int", "float", "str", "bool", "NoneType", "list", "dict", "tuple"})
"""Types whose values show by their form what they are."""


def result_text(info: Mapping[str, Any]) -> str:
    """The value that a function returned: `→ 0.93`, with its type where the text does not show it; "" without one."""
    result = info.get("result") or {}
    if result.get("kind") != "value":
        return ""
    kind, text = str(result.get("type")), str(result.get("repr"))
    is_shown = kind in _PLAIN_TYPES or text.startswith(kind.rpartition(".")[2])
    return f"→ {text}" if is_shown else f"→ {kind} {text}"
