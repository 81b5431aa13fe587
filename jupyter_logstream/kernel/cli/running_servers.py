"""Discovery of Jupyter servers beyond a kernel's: on other stores, and as `jupyter server list` does. Command line."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...model.protocol import SECRET_VARIABLE, SERVER_VARIABLE, URL_VARIABLE
from ..connection import call
from ..discovery import ADDRESS_FILE, is_served, may_use, read_address, stores_folder
from ..errors import LogStreamError

if TYPE_CHECKING:
    from collections.abc import Iterable


def use_running_server() -> bool:
    """Let this process use a server that runs on this machine, the one that was started last; False without any.

    The server of the first store is found without this. Sets the variables by which a kernel finds its server.
    """
    for file in _newest(stores_folder().glob(f"[0-9]*/{ADDRESS_FILE}")):
        address = read_address(file) or {}
        is_here = address.get("host") == os.uname().nodename and is_served(file.parent)
        if is_here and address["url"] and (may_use() or not address.get("private")):
            os.environ[SERVER_VARIABLE] = str(file)
            return True
    from jupyter_core.paths import jupyter_runtime_dir  # noqa: PLC0415 - rarely needed

    return any(_use(file) for file in _newest(Path(jupyter_runtime_dir()).glob("jpserver-*.json")))


def _use(file: Path) -> bool:
    """Use the Jupyter server of a runtime file by its token, if it runs, has this extension and a token."""
    server = _read(file)
    if server is None:
        return False
    os.environ.update({URL_VARIABLE: server["url"], SECRET_VARIABLE: server["token"]})
    try:
        if call("GET", "info").json()["protocol"]:
            return True
    except (LogStreamError, ValueError, LookupError, TypeError):
        pass  # it has no log server, or is another program on the port of an ended one
    del os.environ[URL_VARIABLE], os.environ[SECRET_VARIABLE]
    return False


def _read(file: Path) -> dict[str, Any] | None:
    """The content of a runtime file, if its process lives and it has a token."""
    with suppress(OSError, ValueError, LookupError, TypeError):
        server: dict[str, Any] = json.loads(file.read_bytes())
        os.kill(server["pid"], 0)
        if server["token"] and isinstance(server["url"], str):
            return server
    return None


def _newest(files: Iterable[Path]) -> list[Path]:
    times = {}
    for file in files:
        with suppress(OSError):
            times[file] = file.stat().st_mtime
    return sorted(times, key=times.__getitem__, reverse=True)
