"""Diagnosis of a server that is no log server, refuses this user or has another version. Command line."""

from __future__ import annotations

from ...model.protocol import PROTOCOL
from ..connection import call
from ..discovery import find_server
from ..errors import LogStreamError, NoServer, Rejected


def foreign_server() -> str | None:
    """What is wrong with the server that was found; None if it is a log server that accepts this user.

    Raises NoServer.
    """
    server = find_server()
    place = server.socket or server.url
    how = f"It was named by {server.file}." if server.file else "It was named by the variable JUPYTER_LOGSTREAM_URL."
    try:
        info = call("GET", "info").json()
        protocol = info["protocol"] if isinstance(info, dict) else None
    except NoServer:
        raise
    except Rejected as error:
        return f"The server at {place} refuses this user: {error}. {how} Log in again, or open a new terminal there."
    except (LogStreamError, ValueError, KeyError) as error:
        why = f" ({error})" if isinstance(error, LogStreamError) else ""
        return f"The server at {place} does not answer as a log server{why}. {how} Is jupyter-logstream enabled there?"
    if protocol != PROTOCOL:
        return f"The server at {place} speaks protocol {protocol}, this program {PROTOCOL}: upgrade the older one."
    return None
