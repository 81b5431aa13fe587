"""Byte pipe to the remote end of a mirror, by default a command's standard input and output. Server."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from .protocol import CannotReach

_MAX_STDERR_BYTES = 4096
_BUFFER_BYTES = 1 << 20
_END_TIMEOUT_S = 2.0


class Pipe(Protocol):
    """A connection to `runner.pyz serve FOLDER`."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def close(self) -> None:
        """Close the connection and release everything that it uses. Can be called again."""
        ...

    def error(self) -> str:
        """What the connection itself reports, such as the standard error of ssh; "" if nothing."""
        ...


OpenPipe = Callable[[], Awaitable[Pipe]]
"""Opens a pipe. Raises CannotReach with the reason, such as the error text of ssh."""


class CommandPipe:
    """The pipe to a command. Its last _MAX_STDERR_BYTES of standard error are kept; `close` kills it."""

    def __init__(
        self, process: subprocess.Popen[bytes], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.reader, self.writer = reader, writer
        self._process = process
        self._stderr = b""
        assert process.stderr is not None  # noqa: S101 - `open` made it a pipe
        self._error_fd = process.stderr.fileno()
        os.set_blocking(self._error_fd, False)
        asyncio.get_running_loop().add_reader(self._error_fd, self._read_error)

    @classmethod
    async def open(cls, argv: Sequence[str], env: Mapping[str, str] | None = None) -> CommandPipe:
        """Start a command. Raises CannotReach if that fails; it can end at once with an error of its own."""
        try:
            # Not with asyncio, which may use a thread per process.
            process = subprocess.Popen(  # noqa: ASYNC220 - see above
                argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                env=env, cwd="/", start_new_session=True, bufsize=0,
            )  # fmt: skip
        except OSError as error:
            raise CannotReach(f"{argv[0]}: {error.strerror}") from error
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=_BUFFER_BYTES)
        protocol = asyncio.StreamReaderProtocol(reader)
        await loop.connect_read_pipe(lambda: protocol, process.stdout)
        flow = asyncio.StreamReaderProtocol(asyncio.StreamReader())
        transport, _ = await loop.connect_write_pipe(lambda: flow, process.stdin)
        return cls(process, reader, asyncio.StreamWriter(transport, flow, None, loop))

    async def close(self) -> None:
        """Close the pipes, which ends a remote end; then kill the command."""
        self.writer.close()
        self._read_error()
        loop = asyncio.get_running_loop()
        if self._error_fd >= 0:
            loop.remove_reader(self._error_fd)
            self._error_fd = -1
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        deadline = loop.time() + _END_TIMEOUT_S
        while self._process.poll() is None and loop.time() < deadline:  # noqa: ASYNC110 - as `open`
            await asyncio.sleep(0.005)
        if self._process.stderr is not None:
            self._process.stderr.close()
        self.reader.feed_eof()

    async def wait(self) -> int | None:
        """The exit code of a command whose output has ended; None if it does not end."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _END_TIMEOUT_S
        while self._process.poll() is None and loop.time() < deadline:  # noqa: ASYNC110 - as `open`
            await asyncio.sleep(0.005)
        return self._process.poll()

    def error(self) -> str:
        """The last lines that the command wrote to standard error."""
        self._read_error()
        return self._stderr.decode(errors="replace").strip()

    def _read_error(self) -> None:
        if self._error_fd < 0:
            return
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self._error_fd, 65536):
                self._stderr = (self._stderr + data)[-_MAX_STDERR_BYTES:]
            asyncio.get_running_loop().remove_reader(self._error_fd)  # the end
