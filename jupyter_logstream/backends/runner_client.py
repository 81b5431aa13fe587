"""Client of a runner's socket and of its record: connect, send a request, wait for a change. Server."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import stat
from typing import Any

from ..model.workload import Status
from ..store.disk.folder import Folder
from ..wire.runner_socket import request, socket_path
from .protocol import CannotReach, CannotSend

RETRY_S = 0.05
"""Between attempts to connect to a runner that is starting or ending."""

_CONNECT_TIMEOUT_S = 3.0

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def recorded(folder: Folder) -> Status:
    """The runner's record; `queued` if it cannot be read because it is damaged or another kind of file."""
    try:
        return folder.read_status()[0]
    except ValueError:
        return Status()


async def connect(folder: Folder) -> Streams | None:
    """A connection to the runner; None if none listens, or if its socket was replaced by another kind of file."""
    try:
        if not stat.S_ISSOCK(os.lstat(folder.control).st_mode):
            return None
        with socket_path(folder.control) as path:
            return await asyncio.wait_for(asyncio.open_unix_connection(path), _CONNECT_TIMEOUT_S)
    except (OSError, asyncio.TimeoutError):
        return None


async def call(connection: Streams, line: bytes) -> dict[str, Any] | None:
    """Send a request and return the runner's answer; None if the runner ended instead."""
    reader, writer = connection
    try:
        writer.write(line)
        await writer.drain()
        answer = await reader.readline()
    except ConnectionError:
        return None
    return json.loads(answer) if answer.endswith(b"\n") else None


async def send(folder: Folder, message: bytes) -> None:
    """Send a request and wait for its answer. Raises CannotSend: the answer is an error, or the runner has ended."""
    connection = await connect(folder)
    if connection is None:
        raise CannotSend("ended")
    try:
        answer = await call(connection, message)
    finally:
        connection[1].close()
    if answer is None or "error" in answer:
        raise CannotSend("ended" if answer is None else str(answer["error"]))


async def check_alive(folder: Folder, timeout_s: float) -> None:
    """Raise CannotReach if the runner lives, but does not answer; one that has ended is no error."""
    try:
        await asyncio.wait_for(_ping(folder), timeout_s)
    except asyncio.TimeoutError:
        raise CannotReach(f"the runner of {folder.id} does not answer") from None


async def _ping(folder: Folder) -> None:
    while (connection := await connect(folder)) is None:
        if recorded(folder).final or not folder.is_locked():
            return
        await asyncio.sleep(RETRY_S)  # the runner is about to end
    try:
        await call(connection, request("watch"))
    finally:
        connection[1].close()


async def wait_for_change(connection: Streams, folder: Folder, seen: Status) -> None:
    """Return when the runner's record differs from `seen` or the runner has ended. Closes the connection."""
    try:
        await call(connection, request("watch"))
        if recorded(folder) == seen:
            with contextlib.suppress(ConnectionError):  # the runner was killed
                await connection[0].readline()  # an answer, or the end of the connection
    finally:
        connection[1].close()
