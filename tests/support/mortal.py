"""A server side that lives through everything once, again and again, and is killed one call later in each life.

    python -m support.mortal ROOT        # ROOT/1, ROOT/2 ...: what each life has left; the last one survived

In a process of its own, which has no threads, so that it can fork. A life dies by SIGKILL, before its nth call that
changes something on disk (behind an `open` that empties a file). What it was told to be done stands in ROOT/n/said.
"""

from __future__ import annotations

import asyncio
import builtins
import io
import json
import os
import signal
import sys
import time
from itertools import count
from pathlib import Path
from typing import Any

from support.server_side import Server

from jupyter_logstream.model.records import Record
from jupyter_logstream.model.workload import Status, WorkloadSpec
from jupyter_logstream.store.disk.folder import Folder
from jupyter_logstream.store.disk.writer import LogWriter

CHANGES = ("write", "pwrite", "ftruncate", "truncate", "fsync", "replace", "rename", "unlink", "rmdir", "mkdir")
OLD = "00000000000000000000000000"
"""A workload that retention takes at once."""


class Life:
    """One life: `left` calls, and what it has been told (in a file that it may always write to)."""

    def __init__(self, root: Path, calls: int) -> None:
        self.root, self._left = root, calls
        self._said = os.open(root / "said", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._write, self._open = os.write, io.open
        for name in CHANGES:
            setattr(os, name, self._costly(getattr(os, name)))
        builtins.open = io.open = self._open_costly  # type: ignore[assignment]

    def _costly(self, real: Any) -> Any:
        def call(*given: Any, **known: Any) -> Any:
            self._spend()
            return real(*given, **known)

        return call

    def _open_costly(self, file: Any, mode: str = "r", *given: Any, **known: Any) -> Any:
        opened = self._open(file, mode, *given, **known)
        if "w" in mode:
            self._spend()
        return opened

    def _spend(self) -> None:
        self._left -= 1
        if self._left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def says(self, what: str, workload: str) -> None:
        """What has been done, as its caller knows."""
        self._write(self._said, json.dumps([what, workload]).encode() + b"\n")

    async def live(self) -> None:
        """Retention, publishing, a run, the queue, a cancel, ends, a deletion."""
        server = Server(self.root / "store", max_running=1)
        await server.engine.recover()
        external = await server.start("elsewhere", backend="external")
        self.says("made", external)
        server.store.append(
            external, [Record(0, 1e12 + i, "info", f"m{i}", step="fit", source="log") for i in range(3)]
        )
        self.says("published", external)
        run = await server.start("read x; echo a", stdin=True)
        self.says("made", run)
        waits = await server.start("echo b")
        self.says("made", waits)
        await server.engine.cancel(waits)
        self.says("cancelled", waits)
        await server.engine.send(run, b"", eof=True)
        await server.end(run)
        self.says("succeeded", run)
        await server.engine.end(external, "succeeded")
        self.says("succeeded", external)
        self.says("asked to go", run)
        await server.engine.forget(run)
        self.says("gone", run)
        await server.stop()


def prepare(root: Path) -> None:
    """A store with a workload that ended long ago."""
    folder = Folder(root / "store" / "streams" / OLD)
    folder.path.parent.mkdir(parents=True)
    folder.create(WorkloadSpec(command="true", name="old"), 1e12)
    log = LogWriter(folder.path)
    log.write("stdout", b"old\n")
    ended = (time.time() - 40 * 86400) * 1000
    folder.write_status(Status("succeeded", started=1e12, ended=ended, exit_code=0), **log.close().summary())


def main(root: Path) -> None:
    """Live until a life is long enough."""
    for number in count(1):
        prepare(root / str(number))
        if (pid := os.fork()) == 0:
            asyncio.run(Life(root / str(number), number).live())
            os._exit(0)
        _, ended = os.waitpid(pid, 0)
        if not os.WIFSIGNALED(ended):
            sys.exit(os.waitstatus_to_exitcode(ended))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
