"""Feed: streams of the server, followed for one page and sent as frames, newest first under pressure. Runs in kernels.

Survives restarts of the server: it reconnects with backoff and resumes by cursor. Records that do not fit the limits of
outgoing.py are skipped: the page receives the position, and fetches them when they are shown.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from ...wire.sse import Event
from ..errors import LogStreamError
from ..reader import backoff_s
from ..streaming import events_of, open_response
from .messages import TAIL_RECORDS, size_of, split_records
from .outgoing import BYTES_PER_S, Outgoing

ENVELOPE_BYTES = 500
"""What a message adds to the sizes of its frames, which are known without commas and types."""

MAX_PENDING_BYTES = BYTES_PER_S
"""Frames that wait to be sent; beyond it, records of workloads are skipped, other streams wait."""

Frame = tuple[str, dict[str, Any]]


class _Skipped(Exception):
    """Records were skipped: the streams are to be opened again at their ends."""


class Feed:
    """One set of streams for one page. `name` names it in the messages; `streams`: entries of `v1/events`."""

    def __init__(self, name: str, streams: list[dict[str, Any]], outgoing: Outgoing) -> None:
        self.name = name
        self._outgoing = outgoing
        self._queries = {str(query.get("id", query["stream"])): dict(query) for query in streams}
        self._pending: list[tuple[Frame, int]] = []
        self._pending_bytes = 0
        self._changed = asyncio.Event()
        self._drained = asyncio.Event()
        self._skipped: set[str] = set()

    async def run(self) -> None:
        """Follow the streams until all have ended, or the server refuses them."""
        sender = asyncio.create_task(self._send())
        try:
            failures = 0
            while self._queries:
                try:
                    ended, received = await self._follow()
                except _Skipped:
                    continue
                if ended:
                    break
                failures = 1 if received else failures + 1
                self._status("reconnecting")
                await asyncio.sleep(backoff_s(failures))
            while self._pending:
                await self._wait_drained()
        finally:
            sender.cancel()

    async def _follow(self) -> tuple[bool, bool]:
        """One connection. Returns whether the feed has ended, and whether it received anything."""
        received = False
        try:
            body = {"streams": list(self._queries.values())}
            async with open_response("POST", "v1/events", body, {"Accept": "text/event-stream"}) as response:
                if response.is_client_error:
                    text = (await response.aread()).decode(errors="replace")
                    rejection = {"status": response.status_code, "body": text}
                    self._outgoing.send({"type": "rejected", "feed": self.name, **rejection})
                    return True, received
                if response.is_error:
                    return False, received
                self._status("live")
                async for event in events_of(response):
                    received = True
                    await self._take(event)
        except LogStreamError:
            return False, received  # the server can come back
        return not self._queries, received

    async def _take(self, event: Event) -> None:
        data = json.loads(event.data)
        if event.type == "ping":
            for name, cursor in data.get("cursors", {}).items():
                self._move(name, cursor)
        name = data.get("stream", "")
        if event.type == "logs" and self._is_workload(name):
            if name in self._skipped and data["logs"]:
                self._skipped.discard(name)
                self._append("skip", {"stream": name, "cursor": data["logs"][0]["seq"] - 1})
            for part in split_records(data):
                self._append("logs", part)
        else:
            self._append(event.type, data)
        if event.type == "done":
            self._queries.pop(name, None)
        else:
            self._move(name, data.get("cursor"))
        if self._pending_bytes > MAX_PENDING_BYTES:
            await self._relieve()

    def _is_workload(self, name: str) -> bool:
        query = self._queries.get(name)
        return query is not None and query["stream"].startswith("workload/")

    def _move(self, name: str, cursor: object) -> None:
        if cursor is not None and (query := self._queries.get(name)) is not None:
            query.pop("tail", None)
            query["after"] = cursor

    async def _relieve(self) -> None:
        """Too much is pending: skip to the ends of the workloads' logs, once there is capacity."""
        kept = [
            (frame, size)
            for frame, size in self._pending
            if frame[0] not in {"logs", "skip"} or not self._is_workload(frame[1].get("stream", ""))
        ]
        behind = {frame[1]["stream"] for frame, _ in self._pending if frame[0] == "logs"}
        self._pending, self._pending_bytes = kept, sum(size for _, size in kept)
        while self._pending:
            await self._wait_drained()
        await self._outgoing.send_frames(lambda _: None)  # waits for the next turn
        behind = {name for name in behind if self._is_workload(name)}
        for name in behind:
            self._queries[name].pop("after", None)
            self._queries[name]["tail"] = TAIL_RECORDS
        self._skipped |= behind
        if behind:
            raise _Skipped

    # --- sending ------------------------------------------------------------------------------------------------------

    def _append(self, kind: str, data: dict[str, Any]) -> None:
        size = size_of(data)
        self._pending.append(((kind, data), size))
        self._pending_bytes += size
        self._changed.set()

    async def _send(self) -> None:
        while True:
            await self._changed.wait()
            await self._outgoing.send_frames(self._collect)

    def _collect(self, max_bytes: int) -> dict[str, Any] | None:
        frames: list[Frame] = []
        total = 0
        while self._pending and (not frames or total + self._pending[0][1] <= max_bytes - ENVELOPE_BYTES):
            frame, size = self._pending.pop(0)
            frames.append(frame)
            total += size
        self._pending_bytes -= total
        if not self._pending:
            self._changed.clear()
        self._drained.set()
        return {"type": "frames", "feed": self.name, "frames": frames} if frames else None

    async def _wait_drained(self) -> None:
        self._drained.clear()
        await self._drained.wait()

    def _status(self, state: str) -> None:
        self._outgoing.send({"type": "status", "feed": self.name, "state": state})
