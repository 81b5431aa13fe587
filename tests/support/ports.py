"""Ports for servers of tests that are started on a port, or started again on it. It must not know what they serve."""

from __future__ import annotations

import random
import socket


def free_port() -> int:
    """A port below the ephemeral range, so no other process gets it before or between the starts of a server."""
    chosen = random.SystemRandom()
    while True:
        port = chosen.randrange(15_000, 32_000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
