"""The local backend: a runner process on this machine for each workload. Server side.

The runner is found again by its folder: its lock says that it lives, its socket takes what it is asked, its closing of
a connection tells the end - so a quiet workload costs nothing, and a runner's death is seen at once. This file must not
know the store.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..model.protocol import WORKLOAD_VARIABLE
from ..model.workload import Status
from ..store.disk.folder import Folder, RunParameters, boot_id
from ..text.masking import SECRET_NAMES
from ..wire.runner_socket import request, socket_path
from .protocol import CannotLaunch, CannotReach, CannotSend

_PACKAGE = str(Path(__file__).resolve().parents[2])
# Isolated (-I), so that no json.py in a working directory is taken for ours; hence the path by hand.
_BOOT = (
    "import runpy, sys; sys.path.insert(0, sys.argv.pop(1)); "
    "runpy.run_module('jupyter_logstream.runner', run_name='__main__')"
)
_LAUNCH_TIME = 30.0  # seconds a runner may take to be ready on a very busy machine
_CONNECT_TIME = 5.0
_LOOK_APART = 0.003  # seconds between two looks whether a runner is ready, which takes it some 50 ms


class LocalBackend:
    """Runs workloads in processes of this machine. `keep`: bytes per log; `grace`: seconds from TERM to KILL.

    `secret_names`: globs of the environment variables whose values are masked in output.
    """

    def __init__(self, *, keep: int = 1 << 30, grace: float = 10, secret_names: Sequence[str] = SECRET_NAMES) -> None:
        self._run = RunParameters(keep, grace, tuple(secret_names))

    async def launch(self, folder: Folder) -> None:
        command = [sys.executable, "-I", "-S", "-c", _BOOT, _PACKAGE, str(folder.path)]
        try:
            folder.write_run(self._run)
            code = await asyncio.wait_for(self._start(command, folder), _LAUNCH_TIME)
        except asyncio.TimeoutError:
            raise CannotLaunch(None, f"the runner was not ready within {_LAUNCH_TIME:g} s") from None
        except OSError as error:
            raise CannotLaunch(error.errno, f"no process could be started: {error.strerror}") from error
        if code != 0:
            raise CannotLaunch(
                None, f"the runner did not start: {_last_line(folder.runner_log) or f'exit code {code}'}"
            )

    @staticmethod
    async def _start(command: list[str], folder: Folder) -> int:
        """Start a runner; returns when it is ready (0) or has failed."""
        starter = _spawn(command, folder)
        try:
            return await _exit_of(starter)
        except asyncio.CancelledError:
            starter.kill()
            starter.wait()
            raise

    async def watch(self, folder: Folder) -> AsyncIterator[Status]:
        told: Status | None = None
        while True:
            connection = await _connect(folder)
            status, _ = folder.read_status()
            if connection is None and not status.final and not folder.is_locked():
                status, _ = folder.read_status()  # it may have ended in between
                if not status.final:
                    yield _lost(folder, status)
                    return
            if status != told:
                told = status
                yield status
            if status.final:
                if connection is not None:
                    connection[1].close()
                return
            if connection is None:  # it lives but does not listen yet, or no longer: both last milliseconds
                await asyncio.sleep(0.05)
                continue
            try:
                await self._ask(connection, request("watch"))
                fresh, _ = folder.read_status()
                if fresh == told:
                    with contextlib.suppress(ConnectionError):  # a runner that was killed
                        await connection[0].read()  # until it ends
            finally:
                connection[1].close()

    async def cancel(self, folder: Folder, grace: float) -> None:
        for _ in range(100):
            if (connection := await _connect(folder)) is not None:
                break
            if folder.read_status()[0].final or not folder.is_locked():
                return
            await asyncio.sleep(0.05)  # it is about to end
        else:
            raise CannotReach(f"the runner of {folder.id} does not answer")
        try:
            await self._ask(connection, request("cancel", grace=grace))
        finally:
            connection[1].close()

    async def send(self, folder: Folder, data: bytes, *, eof: bool = False) -> None:
        connection = await _connect(folder)
        if connection is None:
            raise CannotSend("ended")
        try:
            answered = await self._ask(connection, request("input", size=len(data), eof=eof) + data)
        finally:
            connection[1].close()
        if answered is None or "error" in answered:
            raise CannotSend("ended" if answered is None else str(answered["error"]))

    @staticmethod
    async def _ask(connection: _Streams, asked: bytes) -> dict[str, Any] | None:
        """The runner's answer; None when it has ended instead."""
        reader, writer = connection
        try:
            writer.write(asked)
            await writer.drain()
            line = await reader.readline()
        except ConnectionError:
            return None
        return json.loads(line) if line.endswith(b"\n") else None


_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def _spawn(command: list[str], folder: Folder) -> subprocess.Popen[bytes]:
    """A process whose words go to the runner's complaints.

    Not asyncio's: that may take a thread for each, and where none can be had the process runs already.
    """
    complaints = os.open(folder.runner_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=complaints, stderr=complaints, cwd="/", start_new_session=True
        )
    finally:
        os.close(complaints)


async def _exit_of(process: subprocess.Popen[bytes]) -> int:
    """Its exit code, when it has ended."""
    while (code := process.poll()) is None:  # noqa: ASYNC110 - nobody tells of it without a thread
        await asyncio.sleep(_LOOK_APART)
    return code


async def _connect(folder: Folder) -> _Streams | None:
    """A connection to the runner; None where none listens."""
    try:
        with socket_path(folder.control) as path:
            return await asyncio.wait_for(asyncio.open_unix_connection(path), _CONNECT_TIME)
    except (OSError, asyncio.TimeoutError):
        return None


def _lost(folder: Folder, status: Status) -> Status:
    """Nobody runs it and nobody wrote its end. What is left of it is ended: nobody could reach it any more."""
    same_boot = status.boot in (None, boot_id())
    if same_boot:
        _end_leftovers(folder.id)
    why = "its runner was killed" if same_boot else "the machine was restarted while it ran"
    if said := _last_line(folder.runner_log):  # it was not killed: it had a fault, or the disk had one
        why = f"its runner failed: {said}"
    return replace(status, state="lost", ended=time.time() * 1000, error=why)


def _end_leftovers(workload_id: str) -> None:
    """KILL what carries the workload's id in its environment (Linux; a pid alone could be somebody else's by now)."""
    cookie = f"{WORKLOAD_VARIABLE}={workload_id}\0".encode()
    for environment in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if cookie in environment.read_bytes():
                os.kill(int(environment.parent.name), signal.SIGKILL)


def _last_line(path: Path) -> str:
    lines = path.read_text(errors="replace").strip().splitlines() if path.exists() else []
    return lines[-1][:300] if lines else ""
