"""URLs of this server: for processes of this machine, and for other machines. Server; no HTTP."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from urllib.parse import quote

from jupyter_server.serverapp import ServerApp  # noqa: TC002 - as our own values

_ANY = {"", "*", "0.0.0.0", "::"}  # noqa: S104 - compared, not bound
_SOME_ADDRESS = ("192.0.2.1", 9)  # for documentation (RFC 5737): nothing is sent there


def local_url(server: ServerApp) -> str:
    """The server's URL for a process on this machine; `http+unix://%2Fpath/base/` if it listens on a Unix socket."""
    if server.sock:
        return f"http+unix://{quote(os.path.abspath(server.sock), safe='')}{server.base_url}"
    return _url(server, "127.0.0.1" if server.ip in _ANY else server.ip)


def outward_url(server: ServerApp) -> str:
    """The server's URL for other machines as far as this one knows; "" if it listens on a Unix socket.

    A server that listens on one address only is found there, which can be one of this machine only.
    """
    return "" if server.sock else _url(server, _outward_address() if server.ip in _ANY else server.ip)


def _outward_address() -> str:
    """The address of this machine on the way to others; its name if it has none."""
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(_SOME_ADDRESS)
        return str(probe.getsockname()[0])
    return socket.gethostname()


def _url(server: ServerApp, host: str) -> str:
    host = f"[{host}]" if ":" in host else host
    scheme = "https" if server.certfile else "http"
    return f"{scheme}://{host}:{server.port}{server.base_url}"
