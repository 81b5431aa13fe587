"""The remote end of a mirror: sends a workload's folder over standard output or a socket. Runner; stdlib.

One process per connection. It ends with its input, and takes no part in the workload: the runner writes the folder and
alone signals the child.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import shutil
import socket
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

from ..model.protocol import FINAL, now_ms
from ..store.disk.files import replace_file
from ..store.disk.folder import Folder, boot_id
from ..store.disk.layout import LAYOUT
from ..wire.mirror_frames import GREETING, MIRROR_VERSION, SILENCE_TIMEOUT_S, BadFrame, FrameDecoder, encode
from ..wire.runner_socket import request
from .changes import Changes
from .channel import Channel, Stdio
from .control import MAX_ANSWER_BYTES, connect
from .detach import host_of, was_started
from .sender import Sender, status_of

_ROUND_INTERVAL_S = 0.002  # small changes within it are sent together
_RUNNER_TIMEOUT_S = 4.0


class Connection:
    """One connection of a mirror to the folder at `path`. `run` returns when the server is gone.

    Bound: output waits in the sender's window, one input in the decoder.
    """

    def __init__(self, path: str, channel: Channel, *, is_over: bool = False) -> None:
        self._is_over = is_over
        self._folder = Folder(Path(path).expanduser().absolute())
        self._channel = channel
        self._selector = selectors.DefaultSelector()
        self._decoder = FrameDecoder()
        self._sender = Sender(self._folder.path)
        self._changes: Changes | None = None  # once the folder exists
        self._status: dict[str, Any] | None = None  # as sent
        self._is_following = False  # from the server's `have` on
        self._final: tuple[str, bool] | None = None  # the state and completeness that were sent
        self._unsent: list[bytes] = []
        self._stored_segments = 0  # in the file `acknowledged`
        self._is_open = True
        self._last_frame = time.monotonic()

    def run(self) -> None:
        """Serve until the connection ends, or the server was silent for SILENCE_TIMEOUT_S."""
        try:
            self._serve()
        finally:
            if self._changes is not None:
                self._changes.close()
            self._selector.close()

    def _serve(self) -> None:
        self._selector.register(self._channel.fileno(), selectors.EVENT_READ, self._read)
        there = self._folder.path.is_dir()
        node = host_of(self._folder).get("node") or socket.gethostname()
        self._write(GREETING + encode({"hello": MIRROR_VERSION, "layout": LAYOUT, "node": node, "there": there}))
        while self._is_open:
            progress = self._send_changes() if self._is_following else False
            wait_s = 0 if progress else 1.0 if self._changes is None else self._changes.wait_s
            ready = self._selector.select(0 if self._channel.is_pending else wait_s)
            if ready and wait_s and not self._sender.is_waiting:
                time.sleep(_ROUND_INTERVAL_S)
            if not ready and time.monotonic() - self._last_frame > SILENCE_TIMEOUT_S and not progress:
                break
            for key, _ in ready:
                key.data()
            if self._channel.is_pending:
                self._read()

    # --- to the server ------------------------------------------------------------------------------------------------

    def _send_changes(self) -> bool:
        """Send what is new; returns whether there was something and can be more."""
        if self._changes is None:
            if not self._folder.path.is_dir():
                return False
            self._changes = Changes(self._folder.path, self._selector)
        final, complete = self._ending()  # before the files are read: nothing that precedes it is missed
        sent = False
        for frame in self._sender.frames(result=final is not None):
            self._write(frame)
            sent = True
            if not self._is_open:
                return False
        self._changes.checked(sent)
        if final is not None and not sent and not self._sender.is_waiting:
            self._send_final(final, complete)
        return sent and not self._sender.is_waiting

    def _ending(self) -> tuple[dict[str, Any] | None, bool]:
        """The frame of a final state without its checksums, None while it runs; and whether nothing follows."""
        is_alive = self._is_alive()
        status = status_of(self._folder.path)
        if status is not None and status.get("state") in FINAL:
            return {"status": status}, not is_alive
        if status is not None and status != self._status:
            self._status = status
            self._write(encode({"status": status}))
        if is_alive or not (self._is_over or was_started(self._folder)):
            return None, False
        if (status := status_of(self._folder.path)) is not None and status.get("state") in FINAL:
            return {"status": status}, True
        return {"status": status, "lost": self._why_lost()}, True

    def _is_alive(self) -> bool:
        """Whether the runner lives. Assumed if it is on another machine: locks are not shared on all file systems."""
        if self._is_over:
            return False
        there = host_of(self._folder)
        if there.get("node", "") not in {"", socket.gethostname()}:
            return True
        return was_started(self._folder) and self._folder.is_locked()

    def _why_lost(self) -> str:
        if not was_started(self._folder):
            return "it never started"
        if problem := self._folder.last_error():
            return f"its runner failed: {problem}"
        same_boot = host_of(self._folder).get("boot") in {None, boot_id()}
        return "its runner was killed" if same_boot else "the machine was restarted while it ran"

    def _send_final(self, final: dict[str, Any], complete: bool) -> None:
        state = "lost" if "lost" in final else str(final["status"]["state"])
        if self._final == (state, complete):
            return
        self._final = state, complete
        self._write(encode({**final, "final": self._sender.checksums(), "complete": complete}))

    def _write(self, data: bytes) -> None:
        """Write all of it; blocks while the channel is full, which is how a slow server slows this end down."""
        try:
            self._channel.write(data)
        except OSError:
            self._is_open = False

    # --- from the server ----------------------------------------------------------------------------------------------

    def _read(self) -> None:
        data = self._channel.read()
        if data is None:
            return
        if not data:
            self._is_open = False
            return
        self._last_frame = time.monotonic()
        for fields, payload in self._decoder.feed(data):
            try:
                self._handle(fields, payload)
            except (KeyError, TypeError, ValueError) as error:
                raise BadFrame(f"{error!r} in the frame {sorted(fields)}") from error

    def _handle(self, fields: dict[str, Any], payload: bytes) -> None:
        if "beat" in fields:
            self._write(encode({"beat": fields["beat"], "now": now_ms()}))
        if "have" in fields:
            self._sender.rewind(fields["have"], all_files=not self._is_following)
            self._is_following = True
            self._final = None
        if "ack" in fields:
            self._sender.acknowledge(fields["ack"])
            self._store_acknowledged()
        if "cancel" in fields:
            self._cancel(fields["cancel"])
        if "input" in fields:
            self._input(fields, payload)
        if "forget" in fields:
            shutil.rmtree(self._folder.path, ignore_errors=True)
            self._write(encode({"forgotten": not self._folder.path.exists()}))
            self._is_open = False

    def _store_acknowledged(self) -> None:
        """Let retention remove the segments that the server has."""
        count = self._sender.acknowledged_segments
        if count != self._stored_segments:
            with contextlib.suppress(OSError):  # the disk is full, or the folder is gone
                replace_file(
                    self._folder.path / "acknowledged", json.dumps(self._sender.acknowledged).encode(), sync=False
                )
                self._stored_segments = count

    def _cancel(self, grace_s: float) -> None:
        """Pass a cancel to the runner; one that has ended needs none."""
        if (runner := connect(self._folder, _RUNNER_TIMEOUT_S)) is not None:
            with runner:
                runner.sendall(request("cancel", grace=grace_s))
                runner.recv(MAX_ANSWER_BYTES)
        self._write(encode({"cancelled": True}))

    def _input(self, fields: dict[str, Any], payload: bytes) -> None:
        """Pass input to the runner; its answer comes when the child has accepted all of it."""
        number = fields["input"]
        if (runner := connect(self._folder, _RUNNER_TIMEOUT_S)) is None:
            self._write(encode({"taken": number, "error": "ended"}))
            return
        runner.sendall(request("input", size=len(payload), eof=fields.get("eof") is True) + payload)
        runner.settimeout(None)
        self._selector.register(runner, selectors.EVENT_READ, partial(self._answered, runner, number))

    def _answered(self, runner: socket.socket, number: int) -> None:
        self._selector.unregister(runner)
        with runner:
            line = runner.recv(MAX_ANSWER_BYTES)
        self._write(encode({"taken": number, **(_fields(line) if line else {"error": "ended"})}))


def _fields(line: bytes) -> dict[str, Any]:
    return {name: value for name, value in json.loads(line).items() if name == "error"}


def serve(path: str, *, is_over: bool = False) -> int:
    """Serve one connection on standard input and output. Returns the exit code.

    `is_over`: the job that ran the workload has ended, so its runner is not alive, wherever it was.
    """
    try:
        Connection(path, Stdio(), is_over=is_over).run()
    except BadFrame as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except OSError as error:
        with contextlib.suppress(OSError):
            os.write(1, encode({"fault": f"{error.filename or path}: {os.strerror(error.errno or 0)}"}))
        return 1
    return 0
