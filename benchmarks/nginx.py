"""nginx as a peer: static files, and nchan's publish and subscribe. From the system's packages: see PACKAGES.

Without them the rows of these peers are left out, and a line reports it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .machine import free_port, wait_for

PACKAGES = "nginx-light libnginx-mod-nchan"
NCHAN = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")

_CONFIGURATION = """
{user}
daemon off;
worker_processes 1;
pid {folder}/pid;
error_log {folder}/error.log;
{module}
events {{ worker_connections 4096; }}
http {{
  access_log off;
  sendfile on;
  client_max_body_size 64m;
  client_body_buffer_size 1m;
  client_body_temp_path {folder};
  proxy_temp_path {folder}; fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
  server {{
    listen 127.0.0.1:{port};
    keepalive_requests 1000000000;
    location /files/ {{ alias {files}/; }}
    {channels}
  }}
}}
"""
_CHANNELS = """
location = /pub { nchan_publisher; nchan_channel_id run; nchan_message_buffer_length 100000; }
location = /sub { nchan_subscriber eventsource; nchan_channel_id run; nchan_subscriber_first_message newest; }
"""


def missing(*, channels: bool = False) -> bool:
    """Whether this peer is missing; prints what to install."""
    if shutil.which("nginx") and (NCHAN.exists() or not channels):
        return False
    print(f"(no rows of {'nchan' if channels else 'nginx'}: install {PACKAGES})")
    return True


@contextmanager
def nginx(folder: Path, files: Path, *, channels: bool = False) -> Iterator[tuple[int, int]]:
    """A server of one worker; yields its port and the worker's process id."""
    port = free_port()
    configuration = folder / "nginx.conf"
    configuration.write_text(
        _CONFIGURATION.format(
            user="user root;" if os.getuid() == 0 else "",  # the files are ours
            folder=folder,
            files=files,
            port=port,
            channels=_CHANNELS if channels else "",
            module=f"load_module {NCHAN};" if channels else "",
        )
    )
    process = subprocess.Popen(["nginx", "-p", str(folder), "-c", str(configuration)], stderr=subprocess.DEVNULL)
    try:
        wait_for(port)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        yield port, int(children[0])
    finally:
        process.terminate()
        process.wait(10)
