"""Encoders: how a response writes the items of its subscriptions as SSE blocks. Server; no I/O."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Protocol, TypeVar

from ...store.protocol import Batch
from ...wire.sse import encode, encode_json
from ..subscriptions.protocol import Cursor, Frame, members

Item_contra = TypeVar("Item_contra", contravariant=True)


class Encoder(Protocol[Item_contra]):
    """How a response writes items and keep-alives."""

    def encode(self, stream: str, item: Item_contra) -> bytes:
        """An item of the stream with this name."""
        ...

    def keep_alive(self, cursors: Mapping[str, Cursor]) -> bytes:
        """A block that carries no item; `cursors`: the position of each stream."""
        ...


class SingleStreamEncoder:
    """Frames of one stream: a frame that moves the cursor has it as its event id."""

    def encode(self, stream: str, item: Frame) -> bytes:  # noqa: ARG002 - the response has one stream
        return encode_json(item.event, item.members, cursor=item.cursor)

    def keep_alive(self, cursors: Mapping[str, Cursor]) -> bytes:
        (cursor,) = cursors.values()
        return encode_json("ping", members({"timestamp": _now_ms()}), cursor=cursor)


class SharedStreamEncoder:
    """Frames of many streams over one connection: each frame names its stream and cursor."""

    def encode(self, stream: str, item: Frame) -> bytes:
        own: dict[str, Cursor] = (
            {"stream": stream} if item.cursor is None else {"stream": stream, "cursor": item.cursor}
        )
        return encode_json(item.event, members(own), b"," if item.members else b"", item.members)

    def keep_alive(self, cursors: Mapping[str, Cursor]) -> bytes:
        return encode_json("ping", members({"timestamp": _now_ms(), "cursors": cursors}))


class MessageEncoder:
    """Messages as plain events for `curl -N` and EventSource: the seq is the event id, the text is the data.

    A gap is a comment: an event would be a line of the log to a client that knows only lines.
    """

    def encode(self, stream: str, item: Batch | Frame) -> bytes:  # noqa: ARG002 - the response has one stream
        if isinstance(item, Frame) and item.event == "gap":
            return encode(comment="gap {" + item.members.decode() + "}")
        if isinstance(item, Frame):
            return encode_json(item.event, item.members, cursor=item.cursor)
        if any("\n" in message or "\r" in message for message in item.messages):
            return b"".join([encode(m, id=seq) for seq, m in zip(item.seqs, item.messages, strict=True)])
        blocks = "".join([f"id: {seq}\ndata: {m}\n\n" for seq, m in zip(item.seqs, item.messages, strict=True)])
        return blocks.encode("utf-8", "replace")

    def keep_alive(self, cursors: Mapping[str, Cursor]) -> bytes:  # noqa: ARG002 - a comment has no cursor
        return encode(comment="waiting")


def _now_ms() -> float:
    return time.time_ns() // 1000 / 1000
