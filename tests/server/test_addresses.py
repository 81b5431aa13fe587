"""The URL of this server for another machine: none where no other machine can reach it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest

from jupyter_logstream.server.addresses import outward_url


def server(ip: str, **settings: str) -> Any:
    return SimpleNamespace(**{"ip": ip, "port": 8888, "base_url": "/base/", "certfile": "", "sock": "", **settings})


@pytest.mark.parametrize(
    ("ip", "peer", "url"),
    [
        ("localhost", "head", ""),
        ("127.0.0.1", "192.0.2.7", ""),
        ("::1", "head", ""),
        ("localhost", "localhost", "http://localhost:8888/base/"),
        ("127.0.0.1", "127.0.0.1", "http://127.0.0.1:8888/base/"),
        ("192.0.2.5", "head", "http://192.0.2.5:8888/base/"),
        ("192.0.2.5", "localhost", "http://192.0.2.5:8888/base/"),
        ("2001:db8::5", "head", "http://[2001:db8::5]:8888/base/"),
    ],
)
def test_server_on_one_address_is_found_there_or_nowhere(ip: str, peer: str, url: str) -> None:
    assert outward_url(server(ip), peer) == url


@pytest.mark.parametrize("peer", ["192.0.2.7", "127.0.0.1", "no-such-host.invalid", "2001:db8::7"])
def test_server_on_all_addresses_has_one_that_other_machines_can_use(peer: str) -> None:
    url = urlsplit(outward_url(server("0.0.0.0", certfile="cert.pem"), peer))
    assert (url.scheme, url.port, url.path) == ("https", 8888, "/base/")
    assert url.hostname not in {None, "", "0.0.0.0", "127.0.0.1", "localhost", "::1"}


def test_server_on_a_unix_socket_has_none() -> None:
    assert outward_url(server("localhost", sock="/run/jupyter.sock"), "head") == ""
