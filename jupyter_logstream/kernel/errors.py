"""Exceptions of the public API. Runs in kernels, in user code; stdlib only.

All of them derive from `LogStreamError` and are exported from `jupyter_logstream`. When a wait takes too long, `wait()`
and `wait_for()` raise the builtin `TimeoutError` instead.
"""

from __future__ import annotations


class LogStreamError(Exception):
    """Base class of all exceptions that jupyter-logstream raises on its own; catch it to catch every one of them."""


class NoServer(LogStreamError):
    """No Jupyter server with jupyter-logstream is known to this process, or it does not answer."""


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
