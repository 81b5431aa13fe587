"""Server's end of a delivery: start a workload on another machine over a pipe to it. Server; stdlib.

One round: connect, put `runner.pyz` there unless it is there, send the order and the files that are missing, and get
the answer. The same pipe then carries the mirror of the log. The format is in `wire/delivery.py`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..wire.delivery import (
    BOOT,
    HEAD_BYTES,
    MARK,
    MAX_NOISE_BYTES,
    MIN_PYTHON,
    Order,
    SentFile,
    body_size,
    bootstrap,
    message,
)
from .archive import runner_archive, unpacked_name
from .pipe import CommandPipe
from .places import Place, last_lines, quoted_path
from .protocol import CannotLaunch, CannotReach, NotReached

_READY_TIMEOUT_S = 45.0  # an interpreter on a busy machine with a cold disk
_PIECE_TIMEOUT_S = 60.0  # of a file, on a slow connection
_ANSWER_TIMEOUT_S = 90.0
_PIECE_BYTES = 256 << 10
_SSH_FAILED, _NOT_FOUND = 255, 127


@dataclass(frozen=True, slots=True)
class Target:
    """Where workloads are delivered to. `python`: the interpreter there; `root`: the folder of all workloads there."""

    place: Place
    python: str
    root: str


@dataclass(frozen=True, slots=True)
class Delivered:
    """The answer to an order, and the open pipe, on which the mirror continues if the workload was found."""

    pipe: CommandPipe
    answer: Mapping[str, Any]


async def deliver(
    target: Target,
    order: Order,
    source: Callable[[SentFile], Path] = lambda file: Path(file.path),
    before_sending: Callable[[], None] = lambda: None,
) -> Delivered:
    """Send an order; `source`: where a file of the order is here; `before_sending`: called once it is connected.

    Raises NotReached (nothing was started), CannotReach (perhaps it was), CannotLaunch (it is refused there).
    """
    await target.place.connect()
    pipe = await CommandPipe.open(target.place.argv(_command(target.python)), target.place.env)
    sent = False
    try:
        await _send_archive(target, pipe)
        before_sending()
        sent = True
        pipe.writer.write(message(**order.to_json()))
        answer = await _await(_converse(pipe, order, source), _ANSWER_TIMEOUT_S, target)
    except (asyncio.IncompleteReadError, ConnectionError, ValueError) as error:
        code = await pipe.wait()
        await pipe.close()
        text = last_lines(pipe.error()) or str(error)
        if not sent and code not in {_SSH_FAILED, None}:
            raise CannotLaunch(None, _no_python(target, code, text)) from None
        raise (CannotReach if sent else NotReached)(f"{target.place.name}: {text}") from None
    except BaseException:  # a cancellation, too: the pipe is a process
        await pipe.close()
        raise
    if "unavailable" in answer:
        await pipe.close()
        raise CannotReach(f"{target.place.name}: {answer['unavailable']}")
    if "refused" in answer:
        await pipe.close()
        raise CannotLaunch(None, f"{target.place.name}: {answer['refused']}")
    return Delivered(pipe, answer)


def _command(python: str) -> str:
    return f"exec {quoted_path(python)} -I -c '{BOOT}'"


async def _send_archive(target: Target, pipe: CommandPipe) -> None:
    """Start the interpreter there and put `runner.pyz` there. Raises CannotLaunch."""
    archive = runner_archive()
    pipe.writer.write(bootstrap(target.root, unpacked_name(), len(archive)))
    ready = await _await(_receive(pipe, noisy=True), _READY_TIMEOUT_S, target)
    if "refused" in ready:
        raise CannotLaunch(None, f"{target.place.name}: the folder {target.root}: {ready['refused']}")
    version = tuple(ready["python"])
    if version < MIN_PYTHON:
        raise CannotLaunch(
            None,
            f"{target.python} on {target.place.name} is Python {'.'.join(map(str, version))}; the runner needs "
            f"{'.'.join(map(str, MIN_PYTHON))} or newer: name one as `python` in c.LogStream.backends",
        )
    if not ready["have"]:
        await _write(pipe, archive)


async def _converse(pipe: CommandPipe, order: Order, source: Callable[[SentFile], Path]) -> dict[str, Any]:
    """Send the files that are missing there, and return the answer to the order."""
    reply = await _receive(pipe)
    if "need" not in reply:
        return reply
    blobs = {blob.sha256: blob for blob in order.blobs()}
    for sha256 in reply["need"]:
        await _send_file(pipe, source(blobs[sha256]), blobs[sha256].size)
    return await _receive(pipe)


async def _send_file(pipe: CommandPipe, path: Path, size: int) -> None:
    """Send exactly `size` bytes: of a file that has become shorter, zeros follow, and the hash there shows it."""
    with path.open("rb") as file:
        while size:
            data = await asyncio.to_thread(file.read, min(size, _PIECE_BYTES))
            piece = data or bytes(min(size, _PIECE_BYTES))
            await _write(pipe, piece)
            size -= len(piece)


async def _write(pipe: CommandPipe, data: bytes) -> None:
    pipe.writer.write(data)
    await asyncio.wait_for(pipe.writer.drain(), _PIECE_TIMEOUT_S)


async def _receive(pipe: CommandPipe, *, noisy: bool = False) -> dict[str, Any]:
    """The next message; `noisy`: skip what precedes it. Raises IncompleteReadError, ValueError."""
    if noisy:
        skipped = b""
        while not skipped.endswith(MARK):
            if len(skipped) > MAX_NOISE_BYTES:
                raise ValueError("something else answered")
            skipped += await pipe.reader.readexactly(1)
        head = MARK + await pipe.reader.readexactly(HEAD_BYTES - len(MARK))
    else:
        head = await pipe.reader.readexactly(HEAD_BYTES)
    value: dict[str, Any] = json.loads(await pipe.reader.readexactly(body_size(head)))
    return value


async def _await(work: Any, timeout_s: float, target: Target) -> dict[str, Any]:
    try:
        value: dict[str, Any] = await asyncio.wait_for(work, timeout_s)
    except asyncio.TimeoutError:
        await target.place.disconnect()  # it hangs
        raise ConnectionError(f"{target.place.name} did not answer within {timeout_s:g} s") from None
    return value


def _no_python(target: Target, code: int, text: str) -> str:
    if code == _NOT_FOUND:
        return (
            f"{target.place.name} has no {target.python}: name a Python {'.'.join(map(str, MIN_PYTHON))} or newer "
            f"as `python` in c.LogStream.backends ({text})"
        )
    return f"{target.python} on {target.place.name} failed with exit code {code}: {text}"
