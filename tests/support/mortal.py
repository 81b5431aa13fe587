"""An engine that runs a fixed scenario repeatedly and is killed one system call later in each run. Test support.

    python -m support.mortal ROOT        # ROOT/1, ROOT/2 ...: the store that each run left; the last run survived

In a process of its own, which has no threads, so that it can fork. A life dies by SIGKILL, before its nth call that
changes something on disk (or behind an `open` that truncates a file). The operations that its caller saw completed are
in ROOT/n/journal.
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
"""The id of a workload that retention deletes at once."""


class Life:
    """One run, killed after `calls` calls. Its journal of completed operations is exempt."""

    def __init__(self, root: Path, calls: int) -> None:
        self.root, self._calls_left = root, calls
        self._journal = os.open(root / "journal", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._write, self._open = os.write, io.open
        for name in CHANGES:
            setattr(os, name, self._counted(getattr(os, name)))
        builtins.open = io.open = self._open_counted  # type: ignore[assignment]

    def _counted(self, real: Any) -> Any:
        def call(*given: Any, **known: Any) -> Any:
            self._count()
            return real(*given, **known)

        return call

    def _open_counted(self, file: Any, mode: str = "r", *given: Any, **known: Any) -> Any:
        opened = self._open(file, mode, *given, **known)
        if "w" in mode:
            self._count()
        return opened

    def _count(self) -> None:
        self._calls_left -= 1
        if self._calls_left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def record(self, what: str, workload: str) -> None:
        """Record an operation as completed, from its caller's view."""
        self._write(self._journal, json.dumps([what, workload]).encode() + b"\n")

    async def live(self) -> None:
        """Retention, publishing, a run, the queue, a cancel, final states, a deletion."""
        server = Server(self.root / "store", max_running=1)
        await server.engine.recover()
        external = await server.start("elsewhere", backend="external")
        self.record("created", external)
        server.store.append(
            external, [Record(0, 1e12 + i, "info", f"m{i}", step="fit", source="log") for i in range(3)]
        )
        self.record("published", external)
        run = await server.start("read x; echo a", stdin=True)
        self.record("created", run)
        waits = await server.start("echo b")
        self.record("created", waits)
        await server.engine.cancel(waits)
        self.record("cancelled", waits)
        await server.engine.send(run, b"", eof=True)
        await server.end(run)
        self.record("succeeded", run)
        await server.engine.end(external, "succeeded")
        self.record("succeeded", external)
        self.record("deleting", run)
        await server.engine.forget(run)
        self.record("deleted", run)
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
    """Run with one more call each time, until a run completes."""
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
