"""Fixtures of the file store: its root, small segments, a disk that gets full."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.environment import own_environment
from support.on_disk import (
    Disk,
)
from support.segments import shrink

from jupyter_logstream.store.disk import files, index, segments, writer

__all__ = ["own_environment"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def small_segments(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int], None]:
    """Shrink segments to a number of bytes and entries; see `support.segments.shrink`."""

    return partial(shrink, monkeypatch)


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], Any]]:
    @contextlib.contextmanager
    def fill(fail_at: int) -> Iterator[Disk]:
        disk = Disk(fail_at)
        with monkeypatch.context() as patch:
            for module in (segments, index, writer, files):
                patch.setattr(module, "os", disk)
            yield disk

    return fill
