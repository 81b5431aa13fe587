"""Connections that break, and other machines with faults, for mirrors. Test support."""

from __future__ import annotations

import io
import random
import sys
import zipfile
from typing import TYPE_CHECKING, Any

from support.loopback import LoopbackBackend

from jupyter_logstream.backends.archive import runner_archive
from jupyter_logstream.backends.protocol import CannotReach
from jupyter_logstream.store.disk.files import replace_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from jupyter_logstream.backends.configured import BackendContext
    from jupyter_logstream.backends.pipe import Pipe

_AHEAD = """\
#!/bin/sh
shift # -I
exec {python} -I -c '
import sys, time, runpy
clock, clock_ns = time.time, time.time_ns
time.time = lambda: clock() + {seconds}
time.time_ns = lambda: clock_ns() + {seconds} * 10**9
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
' "$@"
"""


class BreakingBackend(LoopbackBackend):
    """Each connection breaks after some of these numbers of bytes, in random order. `is_down`: none can be opened."""

    def __init__(
        self, name: str, context: BackendContext, there: Path, limits: Sequence[int] = (), **options: Any
    ) -> None:
        super().__init__(name, context, there, **options)
        self.limits, self.is_down, self.opened = limits, False, 0
        self.pipes: list[Pipe] = []
        self._random = random.Random(1)

    async def open_pipe(self, workload_id: str) -> Pipe:
        if self.is_down:
            raise CannotReach("ssh: connect to host gpu1 port 22: No route to host")
        self.opened += 1
        pipe = await super().open_pipe(workload_id)
        if self.limits:
            pipe.reader = _Cut(pipe.reader, self._random.choice(self.limits))
        self.pipes.append(pipe)
        return pipe

    async def break_all(self) -> None:
        """Break all connections; until `is_down` is reset, there are no others."""
        self.is_down = True
        for pipe in self.pipes:
            await pipe.close()
        self.pipes.clear()


class _Cut:
    """A reader that ends after `left` bytes."""

    def __init__(self, reader: Any, left: int) -> None:
        self._reader, self._left = reader, left

    async def read(self, size: int) -> bytes:
        data = await self._reader.read(min(size, self._left)) if self._left else b""
        self._left -= len(data)
        return data

    def feed_eof(self) -> None:
        self._reader.feed_eof()


def interpreter_ahead(folder: Path, seconds: int) -> str:
    """A Python whose clock is wrong by some seconds."""
    path = folder / "python_ahead"
    path.write_text(_AHEAD.format(python=sys.executable, seconds=seconds))
    path.chmod(0o700)
    return str(path)


def archive_with_small_segments(path: Path, size: int, entries: int) -> None:
    """The runner's archive with segments of `size` bytes and `entries` entries."""
    data = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(runner_archive())) as archive, zipfile.ZipFile(data, "w") as small:
        for name in archive.namelist():
            text = archive.read(name).decode()
            if name.endswith("store/disk/layout.py"):
                changed = text.replace("SEGMENT = 64 * 1024 * 1024", f"SEGMENT = {size}")
                changed = changed.replace("INDEX_SEGMENT = 1 << 20", f"INDEX_SEGMENT = {entries}")
                assert changed != text
                text = changed
            small.writestr(name, text)
    replace_file(path, data.getvalue())
