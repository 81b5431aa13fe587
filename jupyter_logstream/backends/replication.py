"""One connection of a mirror: handshake, heartbeats, requests, and the frames of the remote end. Server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from ..model.protocol import FINAL, STATES, now_ms
from ..store.disk.folder import Folder
from ..store.disk.layout import LAYOUT
from ..store.disk.replica import MirrorState, Replica
from ..wire.mirror_frames import (
    BEAT_INTERVAL_S,
    MIRROR_VERSION,
    SILENCE_TIMEOUT_S,
    BadFrame,
    FrameDecoder,
    encode,
)
from .log_copy import LogCopy
from .pipe import Pipe
from .protocol import CannotReach, CannotSend

MIN_SHIFT_MS = 1000.0
"""A clock there that is wrong by less is left as it is."""

_READ_BYTES = 1 << 20
_MAX_PREAMBLE_CHARS = 300


@dataclass
class Known:
    """What a mirror knows of its workload; `changed` is called after each change.

    `final`: the state is final and its log verified. `complete`: nothing more follows. `forgotten`: the remote folder
    is deleted. `problem`: why the mirror does not advance.
    """

    changed: Callable[[], None]
    node: str = ""
    state: str = "queued"
    reason: str = ""
    exit_code: int | None = None
    link_up: bool = False
    problem: str = ""
    final: bool = False
    complete: bool = False
    forgotten: bool = False


Judge = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]
"""The final status, where an engine knows more than the runner could record: a time limit, a lack of memory."""


class Session:
    """One connection. `run` returns when it ends, or when the remote folder is deleted. Bound: one frame."""

    def __init__(
        self, pipe: Pipe, folder: Folder, replica: Replica, state: MirrorState, known: Known, judge: Judge
    ) -> None:
        self._judge = judge
        self._pipe, self._replica, self._state, self._known = pipe, replica, state, known
        self._copy = LogCopy(folder, replica, state, lambda sizes: self._send({"have": sizes}), self._paused)
        self._decoder = FrameDecoder(greeting=True)
        self._inputs: dict[int, asyncio.Future[None]] = {}
        self._input_count = 0
        self._last_read = asyncio.get_running_loop().time()
        self._is_following = False
        self._is_closing = False

    async def run(self) -> None:
        """Apply frames. Raises BadFrame, CannotReach (a fault there), OSError (of a file here)."""
        beats = asyncio.ensure_future(self._beat())
        try:
            while not self._is_closing and (data := await self._pipe.reader.read(_READ_BYTES)):
                for fields, payload in self._decoder.feed(data):
                    await self._checked(fields, payload)
                self._last_read = asyncio.get_running_loop().time()
                if self._copy.acks:
                    self._send({"ack": self._copy.acks})
                    self._copy.acks = {}
            if preamble := self._decoder.preamble:
                raise CannotReach(preamble[-_MAX_PREAMBLE_CHARS:])
        except ConnectionError:
            pass  # as the end of the connection
        finally:
            beats.cancel()
            self._known.link_up = False
            for waiting in self._inputs.values():
                if not waiting.done():
                    waiting.set_exception(CannotReach("the connection was lost before the input was acknowledged"))

    # --- requests -----------------------------------------------------------------------------------------------------

    def cancel(self, grace_s: float) -> None:
        """Send a cancel; the state keeps it until it is answered."""
        self._send({"cancel": grace_s})

    async def input(self, data: bytes, *, eof: bool) -> None:
        """Send input and wait until the child's pipe accepted it. Raises CannotSend, CannotReach."""
        self._input_count = number = self._input_count + 1
        self._inputs[number] = waiting = asyncio.get_running_loop().create_future()
        self._send({"input": number, "eof": eof}, data)
        await waiting

    def _send(self, fields: dict[str, Any], payload: bytes | None = None) -> None:
        with contextlib.suppress(ConnectionError, RuntimeError):  # closing: the reader notices it
            self._pipe.writer.write(encode(fields, payload))

    async def _beat(self) -> None:
        """Send heartbeats; end the connection if nothing came for SILENCE_TIMEOUT_S."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(BEAT_INTERVAL_S)
            self._send({"beat": now_ms()})
            if loop.time() - self._last_read > SILENCE_TIMEOUT_S:
                self._pipe.reader.feed_eof()

    def _paused(self, problem: str) -> None:
        """Report why nothing is read, which is no silence of the remote end."""
        self._last_read = asyncio.get_running_loop().time()
        if self._known.problem != problem:
            self._known.problem = problem
            self._known.changed()

    # --- frames -------------------------------------------------------------------------------------------------------

    async def _checked(self, fields: dict[str, Any], payload: bytes) -> None:
        try:
            await self._apply(fields, payload)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise error if isinstance(error, BadFrame) else BadFrame(f"{error!r} in {sorted(fields)}") from error

    async def _apply(self, fields: dict[str, Any], payload: bytes) -> None:
        if "file" in fields:
            await self._copy.append(fields["file"], fields["offset"], payload)
        elif "replace" in fields:
            await self._copy.replace(fields["replace"], payload)
        elif "truncate" in fields:
            self._copy.truncate(fields["truncate"], fields["to"])
        elif "final" in fields:
            await self._final(fields)
        elif "status" in fields:
            await self._status(fields["status"])
        elif "hello" in fields:
            self._hello(fields)
        elif "beat" in fields:
            self._clock(fields["beat"], fields["now"])
        else:
            self._answer(fields)

    def _hello(self, fields: dict[str, Any]) -> None:
        if fields["hello"] != MIRROR_VERSION or fields["layout"] != LAYOUT:
            raise CannotReach(f"the runner there speaks version {fields['hello']}, this server {MIRROR_VERSION}")
        if not fields["there"]:
            self._lost("its folder there is gone")
            self._known.forgotten = self._is_closing = True
            return
        self._known.node = str(fields["node"])
        self._known.link_up, self._known.problem = True, ""
        if self._state.cancel_grace_s is not None:
            self.cancel(self._state.cancel_grace_s)
        self._send({"beat": now_ms()})  # its answer starts the copying, with the clock known

    def _clock(self, sent_ms: float, there_ms: float) -> None:
        """Measure the clock there, once per workload; then request what is missing here."""
        if self._is_following:
            return
        now = now_ms()
        if self._state.shift_us is None:
            ahead_ms = there_ms - (sent_ms + now) / 2
            is_certain = abs(ahead_ms) > max(MIN_SHIFT_MS, (now - sent_ms) / 2)
            self._state.shift_us = -round(ahead_ms * 1000) if is_certain else 0
            self._state.save()
        self._replica.shift_us = self._state.shift_us
        self._is_following = True
        self._send({"have": self._replica.sizes()})
        self._known.changed()

    async def _status(self, status: dict[str, Any]) -> None:
        if status.get("state") not in STATES - FINAL:
            raise BadFrame(f"the state {status.get('state')!r}")
        await self._copy.store_status(status, self._known.node)
        self._known.state, self._known.reason = status["state"], str(status.get("reason") or "")
        self._known.changed()

    async def _final(self, fields: dict[str, Any]) -> None:
        """Accept a final state if the log is verified, which requests what differs."""
        if not await self._copy.is_verified(fields["final"]):
            return
        complete = fields["complete"] is True
        if complete:
            await self._copy.report_missing(self._known.node)
        if "lost" in fields:
            self._lost(str(fields["lost"]))
        else:
            await self._accept(fields["status"])
        self._known.complete = complete
        if complete:
            self._send({"forget": True})
        if "lost" not in fields:  # a lost one is reported when the mirror has released the log: the engine ends it then
            self._known.changed()

    async def _accept(self, status: dict[str, Any]) -> None:
        if status["state"] not in FINAL:
            raise BadFrame(f"the final state {status['state']!r}")
        status = await self._judge(status)
        if not self._known.final:
            await self._copy.end()
        await self._copy.store_status(status, self._known.node)
        self._known.state, self._known.reason = status["state"], str(status.get("reason") or "")
        self._known.exit_code = status.get("exit_code")
        self._known.final = True

    def _lost(self, reason: str) -> None:
        self._known.state, self._known.reason = "lost", reason
        self._known.final = self._known.complete = True

    def _answer(self, fields: dict[str, Any]) -> None:
        if "taken" in fields:
            waiting = self._inputs.pop(fields["taken"], None)
            if waiting is not None and not waiting.done():
                error = fields.get("error")
                waiting.set_exception(CannotSend(str(error))) if error else waiting.set_result(None)
        elif "cancelled" in fields:
            self._state.cancel_grace_s = None
            self._state.save()
        elif "forgotten" in fields:
            self._known.forgotten = self._is_closing = True
        elif "fault" in fields:
            raise CannotReach(str(fields["fault"]))
