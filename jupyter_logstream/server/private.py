"""Private server: a headless Jupyter server with this extension only, on a Unix socket. A process of its own.

    python -m jupyter_logstream.server.private SOCKET READY_FD

A kernel or script that finds no server starts it (kernel/private_server.py). It becomes a daemon at once, and writes
one byte to the descriptor READY_FD when it answers requests.
"""

from __future__ import annotations

import os
import secrets
import sys
from contextlib import suppress

TYPE_CHECKING = False

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

SOCKET_MODE = "0600"
CLOSE_TIMEOUT_S = 1.0


def main() -> None:
    """Run the server until it is stopped, idle or replaced."""
    socket, ready = sys.argv[1], int(sys.argv[2])
    if os.fork():
        os._exit(0)  # the starter has no child to reap, and an end of its process group or session does not reach us
    # jsonschema imports this grammar for URI formats, which no schema here has; it takes 0.7 s.
    sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]
    os.umask(0o077)
    app = _server_class(ready)()
    app.initialize(
        [
            f"--ServerApp.sock={socket}",
            f"--ServerApp.sock_mode={SOCKET_MODE}",
            f"--ServerApp.root_dir={os.path.expanduser('~')}",
            "--ServerApp.allow_root=True",
            "--ServerApp.open_browser=False",
            "--ServerApp.terminals_enabled=False",
            "--ServerApp.reraise_server_extension_failures=True",
            "--LogStream.private=True",
            "--Application.log_level=WARN",
        ]
    )
    try:
        app.start()
    finally:
        with suppress(OSError):
            os.unlink(socket)


def _server_class(ready: int) -> type[ServerApp]:
    import asyncio  # noqa: PLC0415 - after the fork, so that the starter waits for less

    from jupyter_server.serverapp import ServerApp  # noqa: PLC0415 - after the fork, see above
    from traitlets.config import Config  # noqa: PLC0415 - as above

    class PrivateServer(ServerApp):  # type: ignore[misc, unused-ignore]
        """Jupyter Server without its own services; of the user's configuration it takes `c.LogStream` only."""

        default_services = ("auth",)  # type: ignore[assignment]

        def find_server_extensions(self) -> None:
            self.jpserver_extensions = {"jupyter_logstream": True}

        def load_config_file(self, *args: object, **options: object) -> None:
            super().load_config_file(*args, **options)  # type: ignore[no-untyped-call, arg-type, unused-ignore]
            self.config = Config({"LogStream": self.config.LogStream})
            self.update_config(self.cli_config)
            self.config.IdentityProvider.token = secrets.token_hex()  # Jupyter would log one that it made

        def write_server_info_file(self) -> None:
            """Jupyter's list of servers has those that a browser can open."""

        def remove_server_info_file(self) -> None:
            """As above."""

        def write_browser_open_files(self) -> None:
            """As above."""

        async def _cleanup(self) -> None:
            """Close all connections before the store: clients repeat their requests at the next server."""
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self.http_server.close_all_connections(), CLOSE_TIMEOUT_S)
            await super()._cleanup()

        async def _post_start(self) -> None:
            await self.extension_manager.start_all_extensions()  # type: ignore[no-untyped-call]
            os.write(ready, b"\n")
            os.close(ready)

    return PrivateServer


if __name__ == "__main__":
    main()
