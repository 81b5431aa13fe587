"""The bundle of the views, for pages that cannot load it by URL: compressed, in parts. Runs in kernels."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from .messages import MAX_PART_BYTES, Message

BUNDLE = Path(__file__).parents[2] / "static" / "bundle.js"


@lru_cache(maxsize=1)
def _compressed() -> bytes:
    return gzip.compress(BUNDLE.read_bytes(), mtime=0)


def bundle_parts() -> Iterator[Message]:
    """The bundle as `views` messages: gzip, then base64, in order."""
    data = _compressed()
    parts = [data[start : start + MAX_PART_BYTES] for start in range(0, len(data), MAX_PART_BYTES)]
    for i, part in enumerate(parts):
        text = base64.b64encode(part).decode()
        yield {"type": "views", "part": i, "parts": len(parts), "base64": text}
