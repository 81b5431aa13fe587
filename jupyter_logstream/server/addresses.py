"""URLs of this server: for processes of this machine, and for other machines. Server; no HTTP."""

from __future__ import annotations

import ipaddress
import os
import socket
from contextlib import suppress
from urllib.parse import quote

from jupyter_server.serverapp import ServerApp  # noqa: TC002 - as our own values

_ANY_IPV4 = "0.0.0.0"  # noqa: S104 - compared, not bound
_ANY = {"", "*", _ANY_IPV4, "::"}
_SOME_HOST, _DISCARD = "192.0.2.1", 9  # for documentation (RFC 5737): nothing is sent there


def local_url(server: ServerApp) -> str:
    """The server's URL for a process on this machine; `http+unix://%2Fpath/base/` if it listens on a Unix socket."""
    if server.sock:
        return f"http+unix://{quote(os.path.abspath(server.sock), safe='')}{server.base_url}"
    return _url(server, "127.0.0.1" if server.ip in _ANY else server.ip)


def outward_url(server: ServerApp, peer: str) -> str:
    """The server's URL for another machine as far as this one knows; "" if it can have none there. Can resolve names.

    `peer`: that machine's host name or address; it determines which address of this machine is in the URL. A server
    that listens on a Unix socket, or on `localhost` while the peer is another machine, has none.
    """
    if server.sock:
        return ""
    if server.ip in _ANY:
        family = socket.AF_INET if server.ip == _ANY_IPV4 else socket.AF_UNSPEC
        host = _address_towards(peer, family) or _address_towards(_SOME_HOST, family) or socket.gethostname()
        return _url(server, host)
    return _url(server, server.ip) if _is_loopback(peer) or not _is_loopback(server.ip) else ""


def _address_towards(host: str, family: socket.AddressFamily) -> str:
    """The address of this machine on the way to a host; "" if there is none, or if that host is this machine."""
    with suppress(OSError):
        family, kind, protocol, _, address = socket.getaddrinfo(host, _DISCARD, family, socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.connect(address)
            found = str(probe.getsockname()[0])
            return "" if _is_loopback(found) else found
    return ""


def _is_loopback(host: str) -> bool:
    """Whether a host name or address is that of this machine for itself."""
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def _url(server: ServerApp, host: str) -> str:
    host = f"[{host}]" if ":" in host else host
    scheme = "https" if server.certfile else "http"
    return f"{scheme}://{host}:{server.port}{server.base_url}"
