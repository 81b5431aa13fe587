"""Channels between the remote end of a mirror and the server: what they must offer, and standard input and output.

Runs in `runner.pyz`; stdlib.
"""

from __future__ import annotations

import os
from typing import Protocol

_READ_BYTES = 1 << 20


class Channel(Protocol):
    """A connection to the server."""

    def fileno(self) -> int:
        """The descriptor that becomes readable."""
        ...

    @property
    def is_pending(self) -> bool:
        """Whether `read` returns something at once although the descriptor is not readable."""
        ...

    def read(self) -> bytes | None:
        """Bytes that have arrived; None: none yet; b"": the connection has ended."""
        ...

    def write(self, data: bytes) -> None:
        """Write all of it; blocks while the server does not read. Raises OSError if the connection has ended."""
        ...


class Stdio:
    """Standard input and output as a channel."""

    is_pending = False

    def __init__(self) -> None:
        os.set_blocking(0, False)

    def fileno(self) -> int:
        """Standard input."""
        return 0

    def read(self) -> bytes | None:
        """See Channel."""
        try:
            return os.read(0, _READ_BYTES)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def write(self, data: bytes) -> None:
        """See Channel."""
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(1, view) :]
            except BlockingIOError:  # an inherited description can be non-blocking
                os.set_blocking(1, True)
