"""Small segments, so that their edges are met soon."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_logstream.store import damage, download, file, index, layout, reader, segments, writer

if TYPE_CHECKING:
    import pytest


def shrink(monkeypatch: pytest.MonkeyPatch, size: int, entries: int) -> None:
    """Make segments of so many bytes and entries, in every module that knows their size."""
    for module in (layout, segments, writer, damage, index, download, reader, file):
        for name, value in (("SEGMENT", size), ("INDEX_SEGMENT", entries)):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, value)
