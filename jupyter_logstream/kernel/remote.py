"""Workloads of other log servers, read through the proxy. Runs in kernels, in user code.

An upstream that speaks our protocol is an `OwnServer` under another root. Any other is read in the simple form:
server-sent events with one line of the log as `data`, and `event: done` at the end. Everything that form cannot express
(cancel, filters, input) raises Rejected. This file must not import the server side nor a widget.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Any, BinaryIO, NoReturn
from urllib.parse import quote

from ..model.protocol import FINAL, now_ms
from ..model.records import Record
from ..wire.sse import Event
from .errors import LogStreamError, NotFound, Rejected, ServerFailed
from .event_loop import run_sync
from .reader import Frame, reconnect
from .source import LogSource, OwnServer, last
from .streaming import open_simple

IDLE_TIMEOUT_S = 1.0
"""The simple form has no "records so far": reading what is there stops after this long without a line."""


def find_source(upstream: str, workload_id: str) -> LogSource:
    """The source for the workload at the upstream: `OwnServer` where that speaks our protocol, else `SimpleForm`.

    Raises NotFound, ServerFailed, NoServer, as the upstream answers.
    """
    own = OwnServer(upstream)
    try:
        info = own.info(workload_id)
        if isinstance(info, dict) and info.get("id") == workload_id and "state" in info:
            return own
    except (LogStreamError, ValueError):
        pass  # it does not speak our protocol, or the simple form reports what is wrong
    simple = SimpleForm(upstream)
    try:
        run_sync(simple.check(workload_id))
    except NotFound as error:
        raise NotFound(f"There is no workload {workload_id!r} at the upstream {upstream!r}: {error}") from None
    except ServerFailed as error:
        raise ServerFailed(f"The upstream {upstream!r} failed: {error}") from None
    return simple


class SimpleForm:
    """An upstream that speaks the simple form only. A record's time is the time of its arrival here."""

    __slots__ = ("upstream",)

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream

    async def check(self, workload_id: str) -> None:
        """Open the log once; raises NotFound, Rejected, ServerFailed or NoServer where that fails."""
        async with open_simple(self._path(workload_id)):
            pass

    def info(self, workload_id: str) -> dict[str, Any]:
        """See LogSource; the number of lines, and the state that `done` names, else "succeeded"."""
        records, final = run_sync(self._read_available(workload_id))
        running = {**_UNKNOWN, "id": workload_id, "name": workload_id, "state": "running", "lines": len(records)}
        return final or running

    def records(
        self, workload_id: str, after: int | None, tail: int | None, filters: Mapping[str, str]
    ) -> list[Record]:
        """See LogSource; up to the end, or until no line arrives for IDLE_TIMEOUT_S. Filters raise Rejected."""
        if filters:
            self._refuse(workload_id, f"filter by {next(iter(filters))}")
        records, _ = run_sync(self._read_available(workload_id))
        found = [record for record in records if record.seq > (after or 0)]
        return found if tail is None else last(found, tail)

    def text(self, workload_id: str) -> str:
        """See LogSource."""
        return "".join(f"{record.message}\n" for record in self.records(workload_id, None, None, {}))

    def save(self, workload_id: str, params: Mapping[str, Any], file: BinaryIO) -> NoReturn:  # noqa: ARG002 - LogSource's
        """Raises Rejected, as `request`."""
        self._refuse(workload_id, "export")

    def frames(self, workload_id: str, *, after: int = 0, **_: Any) -> AsyncGenerator[Frame, None]:
        """See LogSource; `logs` frames with one record each, then `done`."""
        return _read_frames(self._path(workload_id), workload_id, after)

    def result(self, workload_id: str) -> NoReturn:
        """Raises Rejected, as `request`."""
        self._refuse(workload_id, "answer GET /result")

    def request(self, method: str, workload_id: str, path: str = "", **_: Any) -> NoReturn:
        """Raises Rejected: the simple form has no other request."""
        self._refuse(workload_id, f"answer {method} {path}".rstrip())

    def _refuse(self, workload_id: str, what: str) -> NoReturn:
        upstream = f"The upstream {self.upstream!r} of workload {workload_id!r}"
        raise Rejected(f"{upstream} speaks the simple form only: it cannot {what}.", "simple_form")

    def _path(self, workload_id: str) -> str:
        return f"proxy/{self.upstream}/v1/workloads/{quote(workload_id, safe='')}/logs"

    async def _read_available(self, workload_id: str) -> tuple[list[Record], dict[str, Any] | None]:
        """The records that are there, and the final info where the log has ended."""
        records: list[Record] = []
        async with aclosing(self.frames(workload_id)) as frames:
            while True:
                try:
                    kind, data = await asyncio.wait_for(anext(frames), IDLE_TIMEOUT_S)
                except asyncio.TimeoutError:  # not the builtin one before Python 3.11
                    return records, None
                if kind == "done":
                    return records, data
                records += [Record.from_json(record) for record in data["logs"]]


async def _read_frames(path: str, workload_id: str, after: int) -> AsyncGenerator[Frame, None]:
    """Translate a stream of the simple form into frames of our protocol; resumes by event id or by counting."""
    seen, skip, last_id = 0, 0, ""

    def open_at_position() -> AbstractAsyncContextManager[AsyncIterator[Event]]:
        nonlocal skip
        skip = 0 if last_id else seen  # a server without event ids starts again from the first line
        return open_simple(path, last_id)

    async with aclosing(reconnect(open_at_position)) as events:
        async for event in events:
            if event.type == "done":
                yield "done", _final_info(event, workload_id, seen)
                return
            if event.type != "message":
                continue
            if skip:
                skip -= 1
                continue
            seen, last_id = seen + 1, event.id or last_id
            if seen > after:
                yield "logs", {"logs": [_record(event, seen)]}


_UNKNOWN: dict[str, Any] = dict.fromkeys(
    ("command", "cwd", "created", "started", "ended", "exit_code", "signal", "error")
)


def _record(event: Event, seq: int) -> dict[str, Any]:
    return {"seq": seq, "ts": now_ms(), "level": "unknown", "message": event.data, "source": "stdout"}


def _final_info(event: Event, workload_id: str, lines: int) -> dict[str, Any]:
    """The fields that the data of `done` has, where it is a JSON object; its state only if it is one of ours."""
    try:
        given = json.loads(event.data)
    except ValueError:
        given = {}
    given = given if isinstance(given, dict) else {}
    state = given.get("state") if given.get("state") in FINAL else "succeeded"
    return {**_UNKNOWN, "name": workload_id, **given, "id": workload_id, "state": state, "lines": lines}
