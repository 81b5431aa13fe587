"""Small segments, so that their edges are met soon."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_logstream.store.disk import download, index, layout, line_texts, segments, writer
from jupyter_logstream.store.repair import damage, verify

if TYPE_CHECKING:
    import pytest


def shrink(monkeypatch: pytest.MonkeyPatch, size: int, entries: int) -> None:
    """Make segments of `size` bytes and `entries` entries, in every module that imported their size."""
    for module in (layout, segments, writer, damage, verify, index, download, line_texts):
        for name, value in (("SEGMENT", size), ("INDEX_SEGMENT", entries)):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, value)
