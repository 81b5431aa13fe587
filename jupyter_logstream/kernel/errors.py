"""Exceptions of the public API. Runs in kernels, in user code; stdlib only.

All of them derive from `LogStreamError` and are exported from `jupyter_logstream`. When a wait takes too long, `wait()`
and `wait_for()` raise the builtin `TimeoutError` instead.
"""

from __future__ import annotations


class LogStreamError(Exception):
    """Base class of all exceptions that jupyter-logstream raises on its own; catch it to catch every one of them."""


class NoServer(LogStreamError):
    """No server with jupyter-logstream is known to this process, or it does not answer, or none can be started."""


class ServerFailed(LogStreamError):
    """The server (or the upstream behind it) answered with a failure of its own: HTTP 5xx."""


class NotFound(LogStreamError, LookupError):
    """The server does not have what the call names: no such workload, upstream or route (HTTP 404)."""


class Rejected(LogStreamError, ValueError):
    """The server refused the call (HTTP 4xx): an argument is wrong, or the workload's state does not allow it.

    The message names what is wrong. `reason` is the error code of the protocol, such as `invalid_field`; it does not
    change between versions. It is "" where the answer carries no code.
    """

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class CannotPickle(LogStreamError, TypeError):
    """A function, or what it refers to, cannot be sent to a process of its own; the message names the variable."""


class WorkloadFailed(LogStreamError):
    """A function gave no result: it raised what cannot be rebuilt here, or was cancelled, killed or lost.

    `type_name`: name of the exception's type there, "" if there was none; `traceback`: its text.
    """

    def __init__(self, message: str, type_name: str = "", traceback: str = "") -> None:
        super().__init__(message, type_name, traceback)
        self.message, self.type_name, self.traceback = message, type_name, traceback

    def __str__(self) -> str:
        text = f"{self.type_name}: {self.message}" if self.type_name else self.message
        return f"{text}\n\n{self.traceback}".rstrip() if self.traceback else text
