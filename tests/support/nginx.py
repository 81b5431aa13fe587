"""A real nginx with TLS and HTTP/2 in front of a server, with its defaults for buffering. Test support."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from support.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CONFIG = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  map $http_upgrade $connection_upgrade {{ default upgrade; "" close; }}
  server {{
    listen 127.0.0.1:{port} ssl http2;
    ssl_certificate {folder}/cert.pem;
    ssl_certificate_key {folder}/key.pem;
    gzip on;
    gzip_types *;
    location / {{
      proxy_pass http://127.0.0.1:{upstream};
      proxy_read_timeout {read_timeout_s}s;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
    }}
  }}
}}
"""


def find() -> str | None:
    """The path of nginx, or None."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")


class Nginx:
    """nginx in front of the port `upstream` of this machine, at `https://127.0.0.1:{port}`."""

    def __init__(self, path: str, folder: Path, upstream: int, read_timeout_s: int) -> None:
        self.port, self._folder, self._command = free_port(), folder, [path, "-c", str(folder / "nginx.conf")]
        config = {"folder": folder, "port": self.port, "upstream": upstream, "read_timeout_s": read_timeout_s}
        (folder / "nginx.conf").write_text(_CONFIG.format(**config))
        new_key = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
        self.certificate = folder / "cert.pem"
        files = ["-keyout", str(folder / "key.pem"), "-out", str(self.certificate)]
        name = ["-addext", "subjectAltName=IP:127.0.0.1"]
        subprocess.run([*new_key, *name, *files], check=True, capture_output=True)

    @property
    def url(self) -> str:
        """Its origin."""
        return f"https://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it on the same port as before, and wait until it accepts connections."""
        self._process = subprocess.Popen(self._command, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            assert self._process.poll() is None, (self._folder / "error.log").read_text()
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.02)
        raise AssertionError((self._folder / "error.log").read_text())

    def stop(self) -> None:
        """Stop it at once, with all its connections."""
        self._process.terminate()
        self._process.wait(30)


@contextmanager
def nginx(folder: Path, upstream: int, *, read_timeout_s: int = 60) -> Iterator[Nginx]:
    """An nginx for the time of the block."""
    path = find()
    assert path, "these tests need nginx: `make test-engines` installs it"
    server = Nginx(path, folder, upstream, read_timeout_s)
    server.start()
    try:
        yield server
    finally:
        server.stop()
