"""An upstream for the proxy's benchmark: `/bytes/N` sends N bytes as fast as it can, `/events/N` an event every 10 ms.

An event's data is when it was written (monotonic ns, which all processes of a machine share).
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import tempfile
import threading
import time

PIECE = 1 << 30


def answer(sock: socket.socket, blob: int) -> None:
    with contextlib.suppress(ConnectionError):  # a client that has read enough disconnects
        serve(sock, blob)


def serve(sock: socket.socket, blob: int) -> None:
    while True:
        head = b""
        while b"\r\n\r\n" not in head:
            piece = sock.recv(65536)
            if not piece:
                return
            head += piece
        _, kind, number = head.split(b" ")[1].decode().rsplit("/", 2)
        if kind == "bytes":
            send_bytes(sock, blob, int(number))
        else:
            send_events(sock, int(number))


def send_bytes(sock: socket.socket, blob: int, count: int) -> None:
    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n" % count)
    sent = 0
    while sent < count:
        sent += os.sendfile(sock.fileno(), blob, 0, min(PIECE, count - sent))


def send_events(sock: socket.socket, count: int) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(count):
        event = b"data: %d\n\n" % time.monotonic_ns()
        sock.sendall(b"%x\r\n%s\r\n" % (len(event), event))
        time.sleep(0.01)
    sock.sendall(b"0\r\n\r\n")


def main() -> None:
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
    with tempfile.TemporaryFile() as file:
        file.truncate(PIECE)  # a hole: reading it costs no disk
        while True:
            sock, _ = listener.accept()
            threading.Thread(target=answer, args=(sock, file.fileno()), daemon=True).start()


if __name__ == "__main__":
    main()
