"""The fault-injecting TCP proxy of other tests injects each fault, and nothing else."""

from __future__ import annotations

import socket
import socketserver
import threading
import time
from typing import TYPE_CHECKING

import pytest
from support.tcp_proxy import STREAM, TcpProxy, proxied

if TYPE_CHECKING:
    from collections.abc import Iterator


class Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while data := self.request.recv(65536):
            self.request.sendall(data)


@pytest.fixture
def proxy() -> Iterator[TcpProxy]:
    """Before a server that sends back what it is sent."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        with proxied(server.server_address[1]) as proxy:
            yield proxy
        server.shutdown()


def connect(proxy: TcpProxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), 10)


def read(client: socket.socket, count: int = 1 << 30) -> bytes:
    """So many bytes, or all up to the end."""
    found = b""
    while len(found) < count and (data := client.recv(65536)):
        found += data
    return found


def test_left_alone_it_passes_on_every_byte(proxy: TcpProxy) -> None:
    sent = bytes(range(256)) * 4000
    with connect(proxy) as client:
        threading.Thread(target=client.sendall, args=(sent,), daemon=True).start()
        assert read(client, len(sent)) == sent


def test_a_stream_is_cut_after_so_many_bytes_and_others_are_not(proxy: TcpProxy) -> None:
    proxy.cut_streams_after([30, 40])
    for size in 30, 40:
        with connect(proxy) as plain, connect(proxy) as stream:
            stream.sendall(STREAM * 10)
            assert read(stream) == (STREAM * 10)[:size]
            plain.sendall(b"a" * 100)
            assert read(plain, 100) == b"a" * 100
    assert proxy.cuts == 2
    with connect(proxy) as stream:
        stream.sendall(STREAM * 10)
        assert read(stream, len(STREAM) * 10) == STREAM * 10


@pytest.mark.parametrize("reset", [False, True])
def test_it_cuts_what_is_open(reset: bool, proxy: TcpProxy) -> None:
    with connect(proxy) as plain, connect(proxy) as stream:
        stream.sendall(STREAM)
        read(stream, len(STREAM))
        plain.sendall(b"a")
        read(plain, 1)
        assert proxy.cut(reset=reset) == 1
        if reset:
            with pytest.raises(ConnectionResetError):
                stream.recv(1)
        else:
            assert stream.recv(1) == b""
        plain.sendall(b"b")
        assert read(plain, 1) == b"b"
        assert proxy.cut(streams=False) == 1
        assert plain.recv(1) == b""


def test_it_refuses_and_listens_again_on_the_same_port(proxy: TcpProxy) -> None:
    with connect(proxy) as client:
        client.sendall(b"a")
        read(client, 1)
        proxy.refuse()
        assert client.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        connect(proxy)
    proxy.listen()
    with connect(proxy) as client:
        client.sendall(b"a")
        assert read(client, 1) == b"a"


def test_what_it_blocks_arrives_when_it_no_longer_does(proxy: TcpProxy) -> None:
    with connect(proxy) as client:
        proxy.behave(block=True)
        client.sendall(b"abc")
        client.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.recv(1)
        proxy.behave()
        client.settimeout(10)
        assert read(client, 3) == b"abc"


def test_it_collects_what_it_holds_of_a_stream(proxy: TcpProxy) -> None:
    proxy.behave(hold=100)
    with connect(proxy) as plain, connect(proxy) as stream:
        stream.sendall(STREAM)
        stream.settimeout(0.3)
        with pytest.raises(TimeoutError):
            stream.recv(1)
        plain.sendall(b"a")
        assert read(plain, 1) == b"a"
        stream.settimeout(10)
        stream.sendall(b"b" * 100)
        assert read(stream, len(STREAM) + 100) == STREAM + b"b" * 100


@pytest.mark.parametrize("how", [{"delay": 0.3}, {"rate": 300}])
def test_it_slows_down(how: dict[str, float], proxy: TcpProxy) -> None:
    proxy.behave(**how)
    with connect(proxy) as client:
        before = time.monotonic()
        client.sendall(b"a" * 100)
        assert read(client, 100) == b"a" * 100
        assert time.monotonic() - before > 0.25


def test_it_disconnects_every_stream(proxy: TcpProxy) -> None:
    proxy.behave(no_streams=True)
    with connect(proxy) as plain, connect(proxy) as stream:
        stream.sendall(STREAM)
        assert stream.recv(1) == b""
        plain.sendall(b"a")
        assert read(plain, 1) == b"a"
    assert proxy.cuts == 1
