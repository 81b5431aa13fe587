"""Workloads of other log servers, read through the proxy. Runs in kernels, in user code.

A server that speaks our own protocol is spoken to as ours is, under another root. Of any other we know the simple form
only: server-sent events, a line of the log as `data`, `event: done` at the end. What cannot be asked for in it (such as
a cancel) raises Rejected. This file must not import the server side nor any widget.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from typing import Any
from urllib.parse import quote

from ..model.protocol import FINAL
from ..model.records import Record
from ..wire.sse import Event
from .client import Workload
from .connection import LogStreamError, NoServer, NotFound, Rejected, ServerFailed, block, call, open_simple
from .reader import DELAYS, PATIENCE, Reader

_QUIET = 1.0  # seconds without a line after which what was read counts as all there is


def attach_remote(upstream: str, id: str) -> Workload:  # noqa: A002 - the protocol's own name
    """The workload `id` of the upstream; raises NotFound, ServerFailed, as the upstream answers."""
    try:
        info = call("GET", f"workloads/{quote(id, safe='')}", root=f"proxy/{upstream}/v1").json()
        if isinstance(info, dict) and info.get("id") == id and "state" in info:
            return Workload(id, upstream=upstream)
    except (LogStreamError, ValueError):
        pass  # it does not speak our protocol; or the simple form will say what is wrong
    workload = SimpleWorkload(id, upstream=upstream)
    try:
        block(workload.look())
    except NotFound as error:
        raise NotFound(f"There is no workload {id!r} at the upstream {upstream!r}: {error}") from None
    except ServerFailed as error:
        raise ServerFailed(f"The upstream {upstream!r} fails: {error}") from None
    return workload


class SimpleWorkload(Workload):
    """A workload of a server that speaks the simple form only. Its times are when its lines came here."""

    __slots__ = ()

    @property
    def info(self) -> dict[str, Any]:
        """What can be known: the number of lines, and its state once it is done ("succeeded" unless it says else)."""
        if self._final is None:
            lines = len(self.logs())
            if self._final is None:
                return {**_UNKNOWN, "id": self.id, "name": self.id, "state": "running", "lines": lines}
        return dict(self._final)

    async def look(self) -> None:
        """Ask whether there is such a log. NotFound, Rejected, ServerFailed, NoServer."""
        async with open_simple(self._stream) as events:
            del events  # that it opened is the answer

    def logs(
        self, after: int | None = None, tail: int | None = None, level: str | None = None, **filters: Any
    ) -> list[Record]:
        """Records so far: up to its end, or until nothing more comes for a second. Filters raise Rejected."""
        if asked := [name for name, value in {"level": level, **filters}.items() if value is not None]:
            raise Rejected(f"{self!r} is read by the simple form, which has no {asked[0]}.", "simple_form")
        found = [record for record in block(self._now()) if record.seq > (after or 0)]
        return found if tail is None else found[len(found) - min(tail, len(found)) :]

    def follow(self, after: int = 0) -> Reader:
        """Its records as they come, up to its end: `for record in ...` or `async for`."""
        return _SimpleReader(self.id, after, self._stream)

    def text(self) -> str:
        """All lines so far."""
        return "".join(f"{record.message}\n" for record in self.logs())

    async def _now(self) -> list[Record]:
        found: list[Record] = []
        told = self._frames(after=0)
        try:
            while True:
                kind, data = await asyncio.wait_for(anext(told), _QUIET)
                if kind == "done":
                    self._final = data
                    return found
                found += [Record.from_json(record) for record in data["logs"]]
        except asyncio.TimeoutError:
            return found
        finally:
            await told.aclose()

    @property
    def _stream(self) -> str:
        return f"{self._root}/workloads/{quote(self.id, safe='')}/logs"

    def _call(self, method: str, rest: str = "", **_: Any) -> Any:
        raise Rejected(f"{self!r} is read by the simple form, which has no {method} {rest}.", "simple_form")

    def _frames(self, **start: Any) -> AsyncGenerator[tuple[str, dict[str, Any]], None]:
        return simple_frames(self._stream, self.id, start.get("after", 0))


class _SimpleReader(Reader):
    """A reader whose root is the stream itself."""

    async def _batches(self) -> AsyncGenerator[list[Record], None]:
        async for kind, data in simple_frames(self.root, self.workload, self.after):
            if kind == "logs":
                yield [Record.from_json(record) for record in data["logs"]]


async def simple_frames(path: str, workload: str, after: int) -> AsyncGenerator[tuple[str, dict[str, Any]], None]:
    """A stream of the simple form as frames of ours: `logs` with one record each, then `done`; through cuts."""
    seen, last_id, failures, contact = 0, "", 0, time.monotonic()
    while True:
        try:
            async with open_simple(path, last_id) as events:
                contact = time.monotonic()
                skip = 0 if last_id else seen  # a server without ids begins again
                async for event in events:
                    failures, contact = 0, time.monotonic()
                    if event.type == "done":
                        yield "done", _ended(event, workload, seen)
                        return
                    if event.type != "message" or skip:
                        skip -= event.type == "message"
                        continue
                    seen, last_id = seen + 1, event.id or last_id
                    if seen > after:
                        yield "logs", {"logs": [_record(event, seen)]}
        except (NoServer, ServerFailed):
            if time.monotonic() - contact > PATIENCE:
                raise
        await asyncio.sleep(DELAYS[min(failures, len(DELAYS) - 1)])
        failures += 1


_UNKNOWN: dict[str, Any] = dict.fromkeys(
    ("command", "cwd", "created", "started", "ended", "exit_code", "signal", "error")
)


def _record(event: Event, seq: int) -> dict[str, Any]:
    return {"seq": seq, "ts": time.time() * 1000, "level": "unknown", "message": event.data, "source": "stdout"}


def _ended(event: Event, workload: str, lines: int) -> dict[str, Any]:
    """What a `done` says, as far as it is JSON with a state of ours in it."""
    try:
        told = json.loads(event.data)
    except ValueError:
        told = {}
    told = told if isinstance(told, dict) else {}
    state = told.get("state") if told.get("state") in FINAL else "succeeded"
    return {**_UNKNOWN, "name": workload, **told, "id": workload, "state": state, "lines": lines}
