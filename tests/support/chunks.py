"""Ways to cut bytes into chunks. Test support."""

from __future__ import annotations

from collections.abc import Iterable


def pieces_of_one(data: bytes) -> Iterable[bytes]:
    return (data[i : i + 1] for i in range(len(data)))
