"""Mirror of a workload's folder on another machine: copies its log here, and passes requests there. Server.

The server's end of `wire/mirror_frames`. It reconnects with backoff by the offsets that it has, for as long as the
workload has no verified final state: a broken connection is no final state. One mirror per workload and process.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from collections.abc import AsyncIterator
from typing import Any, Literal, cast

from ..model.protocol import State, now_ms
from ..store.disk.files import is_folder
from ..store.disk.folder import Folder
from ..store.disk.replica import MirrorState, Replica
from ..wire.mirror_frames import BadFrame, FrameDecoder, encode, is_append_only
from .pipe import OpenPipe
from .protocol import CannotReach, Sighting
from .replication import Judge, Known, Session

_FIRST_RETRY_S, _MAX_RETRY_S = 0.1, 10.0
_LOCK_RETRY_S = 0.2
_FORGET_TIMEOUT_S = 4.0
_MAX_FORGET_ATTEMPTS = 5
_MAX_PROBLEM_CHARS = 300


async def _as_recorded(status: dict[str, Any]) -> dict[str, Any]:
    return status


class Mirror:
    """The mirror of the workload in `folder`. `open_pipe`: opens a connection; `place`: its name in messages.

    `judge`: what the final status is, where the engine knows more than the runner recorded.
    It connects from `watch` on, until its log is complete or `close` is called.
    Bound: WINDOW_BYTES of the log are under way.
    """

    def __init__(self, folder: Folder, open_pipe: OpenPipe, *, place: str) -> None:
        self._folder, self._open_pipe, self._place = folder, open_pipe, place
        self._known = Known(self._notify)
        self._changed = asyncio.Event()
        self._state = MirrorState(folder.path)
        with contextlib.suppress(ValueError):
            status, _ = folder.read_status()
            self._known.state, self._known.node = status.state, status.node
        self._session: Session | None = None
        self._task: asyncio.Task[None] | None = None
        self.judge: Judge = _as_recorded
        self._down_since = 0.0
        self._is_tried = self._was_up = False

    async def watch(self) -> AsyncIterator[Sighting]:
        """Report the state now and after each change, also of the link; ends with a final state.

        A final state comes when the log here is verified. The mirror is closed if the caller stops before.
        """
        self._connect()
        seen: Sighting | None = None
        try:
            while True:
                self._changed.clear()
                sighting = self.sighting
                if sighting != seen and self._is_tried:
                    seen = sighting
                    yield sighting
                if self._known.final and self._is_tried:
                    return
                if self._task is None:
                    return
                if self._task.done():
                    self._task.result()  # raises what ended it: a fault of this server, such as no descriptor
                await self._changed.wait()
        finally:
            if not self._known.final:
                await self.close()

    @property
    def sighting(self) -> Sighting:
        """What is known now."""
        known = self._known
        link: Literal["up", "down"] = "up" if known.link_up or known.final else "down"
        reason = known.reason
        if link == "down":
            problem = f": {known.problem}" if known.problem else ""
            reason = f"connection to {self._place} lost, retrying{problem}" if self._was_up else known.problem
            if self._state.cancel_grace_s is not None:
                reason += "; the cancel is sent when it is back"
        elif known.problem:
            reason = known.problem
        since = self._down_since if link == "down" else 0.0
        return Sighting(cast("State", known.state), reason, known.node, known.exit_code, link, since)

    async def complete(self) -> None:
        """Return when nothing follows in the log any more: late output of descendants is copied, too.

        The mirror is closed if the caller stops before.
        """
        if self._task is None:
            return
        try:
            await asyncio.wait([self._task])
        except asyncio.CancelledError:
            await self.close()
            raise

    async def cancel(self, grace_s: float) -> None:
        """Terminate the process tree there. While the link is down the request is stored, and sent when it is up."""
        self._state.cancel_grace_s = grace_s
        self._state.save()
        if self._session is not None and self._known.link_up:
            self._session.cancel(grace_s)

    async def send(self, data: bytes, *, eof: bool = False) -> None:
        """Pass input to the child. Raises CannotSend; CannotReach: the link is down, and input is not stored."""
        if self._session is None or not self._known.link_up:
            raise CannotReach(f"the connection to {self._place} is lost; input is not stored until it is back")
        await self._session.input(data, eof=eof)

    async def forget(self) -> None:
        """Delete the remote folder. Raises CannotReach."""
        await self.close()
        if self._known.forgotten:
            return
        try:
            await asyncio.wait_for(self._forget_once(), _FORGET_TIMEOUT_S)
        except (BadFrame, OSError, asyncio.TimeoutError) as error:
            raise CannotReach(f"the folder on {self._place} was not deleted: {error}") from error

    async def close(self) -> None:
        """Disconnect; the workload continues, and another mirror can resume."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    # --- connections --------------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        if self._task is None:
            self._down_since = now_ms()
            self._task = asyncio.get_running_loop().create_task(self._run())
            self._task.add_done_callback(lambda _: self._changed.set())

    def _notify(self) -> None:
        self._is_tried = True
        if self._known.link_up:
            self._was_up, self._down_since = True, 0.0
        self._changed.set()

    async def _run(self) -> None:
        """Hold the log's lock and connect again and again, until the mirror is complete."""
        while (lock := self._folder.lock()) is None:  # noqa: ASYNC110 - locks have no event
            await asyncio.sleep(_LOCK_RETRY_S)
        replica = Replica(self._folder.path, is_append_only, self._state.shift_us or 0)
        try:
            pause_s = _FIRST_RETRY_S
            while not self._known.complete:
                problem = await self._connect_once(replica)
                if self._known.complete or self._is_removed_here():
                    break
                pause_s = _FIRST_RETRY_S if self._down_since == 0 else min(2 * pause_s, _MAX_RETRY_S)
                self._report_down(problem)
                await asyncio.sleep(pause_s * random.uniform(0.5, 1))  # noqa: S311 - jitter, no secret
        finally:
            replica.close()
            os.close(lock)
            self._known.link_up = False
        self._notify()  # of a lost workload only now: the engine ends its log, which needs the lock
        await self._forget_later()

    async def _connect_once(self, replica: Replica) -> str:
        """Use one connection to its end; returns why it ended. `_down_since` is 0 if it was a good one."""
        try:
            pipe = await self._open_pipe()
        except CannotReach as error:
            return str(error) or "no connection"
        self._session = Session(pipe, self._folder, replica, self._state, self._known, self.judge)
        try:
            await self._session.run()
        except (BadFrame, CannotReach, OSError) as error:
            return pipe.error() or str(error)
        finally:
            self._session = None
            await pipe.close()
        return pipe.error()

    def _is_removed_here(self) -> bool:
        """Whether a user deleted the log here, which is not put back: the mirror ends, whatever runs there."""
        if is_folder(self._folder.path):
            return False
        self._known.state, self._known.reason = "lost", "its folder on this server was removed"
        self._known.final = True
        return True

    def _report_down(self, problem: str) -> None:
        if not self._down_since:
            self._down_since = now_ms()
        self._known.problem = problem[-_MAX_PROBLEM_CHARS:]
        self._notify()

    async def _forget_later(self) -> None:
        """Delete the remote folder if the connection broke before that; after some attempts it is left to `forget`."""
        for attempt in range(_MAX_FORGET_ATTEMPTS):
            if self._known.forgotten or not self._known.complete:
                return
            await asyncio.sleep(attempt)
            with contextlib.suppress(CannotReach, BadFrame, OSError, asyncio.TimeoutError):
                await asyncio.wait_for(self._forget_once(), _FORGET_TIMEOUT_S)
                self._known.forgotten = True

    async def _forget_once(self) -> None:
        pipe = await self._open_pipe()
        try:
            pipe.writer.write(encode({"forget": True}))
            decoder, forgotten = FrameDecoder(greeting=True), False
            while data := await pipe.reader.read(1 << 16):
                forgotten = forgotten or any(fields.get("forgotten") for fields, _ in decoder.feed(data))
            if not forgotten:
                raise CannotReach(pipe.error() or decoder.preamble or "the connection was closed")
        finally:
            await pipe.close()
