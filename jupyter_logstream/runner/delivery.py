"""Remote end of a delivery: receive a workload over standard input and start it at most once. Runner; stdlib.

`runner.pyz deliver ROOT`; see place.py for ROOT.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..wire.delivery import HEAD_BYTES, Order, body_size, message
from .file_cache import Changed
from .place import Place, Refused, Unavailable
from .serve import serve

_PIECE_BYTES = 1 << 20


class Pipe:
    """Standard input and output as the pipe to the server; unbuffered, since the mirror continues on it."""

    def receive(self) -> dict[str, Any]:
        """The next message. Raises EOFError if the connection ended."""
        value: dict[str, Any] = json.loads(self.read(body_size(self.read(HEAD_BYTES))))
        return value

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes. Raises EOFError."""
        return b"".join(self.pieces(size))

    def pieces(self, size: int) -> Iterator[bytes]:
        """Exactly `size` bytes in pieces of at most 1 MiB. Raises EOFError."""
        while size:
            piece = os.read(0, min(size, _PIECE_BYTES))
            if not piece:
                raise EOFError
            yield piece
            size -= len(piece)

    def send(self, **fields: Any) -> None:
        """Send a message."""
        data = message(**fields)
        while data:
            data = data[os.write(1, data) :]


def deliver(root: str) -> int:
    """Handle one order, then serve the workload's folder on the same pipe. Returns the exit code."""
    pipe, place = Pipe(), Place(Path(root))
    order = Order.from_json(pipe.receive())
    try:
        answer = _handle(order, place, pipe)
    except Unavailable as error:
        answer = {"unavailable": str(error)}
    except (Refused, Changed) as error:
        answer = {"refused": str(error)}
    except OSError as error:
        answer = {"refused": f"{error.filename}: {error.strerror}" if error.filename else str(error)}
    pipe.send(**answer)
    is_served = order.do == "find" or (answer.get("found") and not answer["job"])
    return serve(str(place.folder(order.id).path), is_over=order.is_over) if is_served else 0


def _handle(order: Order, place: Place, pipe: Pipe) -> dict[str, Any]:
    if order.do == "list":
        return {"ids": place.ids(), "root": str(place.root)}
    if order.do == "forget":
        place.forget(order.id)
    elif order.do == "start":
        _receive_files(place, order, pipe)
        return place.start(order)
    return place.find(order.id)


def _receive_files(place: Place, order: Order, pipe: Pipe) -> None:
    need = [] if place.was_started(order.id) else place.files.missing(order)
    pipe.send(need=need)
    blobs = {blob.sha256: blob for blob in order.blobs()}
    for sha256 in need:
        place.files.store(blobs[sha256], pipe.pieces(blobs[sha256].size))
