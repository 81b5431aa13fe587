"""Mirror over a command's pipe: lines a second beside `cat` over the same kind of pipe, and from a line's write there
to a reader of the replica here at 1,000 lines a second.

The other machine is another folder of this one; what a network adds is not in these figures.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Awaitable
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory

from jupyter_logstream.backends.archive import runner_archive
from jupyter_logstream.backends.mirror import Mirror
from jupyter_logstream.backends.pipe import CommandPipe
from jupyter_logstream.model.ids import IdSource
from jupyter_logstream.model.workload import WorkloadSpec
from jupyter_logstream.store.disk.file_store import FileStore
from jupyter_logstream.store.disk.folder import Folder

from .emit import LINE_BYTES
from .machine import HERE, plain_environment

LINES = 1_000_000
ROUNDS = 3
RATE, SECONDS = 1000, 10
_TIME = re.compile(r"\b(\d{19}) \d{6}")


class Loopback:
    """A store here, and folders of runners beside it."""

    def __init__(self, root: Path) -> None:
        self.store, self._there, self._ids = FileStore(root / "store"), root / "there", IdSource()
        self._there.mkdir(mode=0o700)
        (self._there / "runner.pyz").write_bytes(runner_archive())

    def start(self, command: list[str]) -> tuple[str, Folder, Mirror]:
        """Start a runner there; returns the id, its folder, and the mirror, which is not connected."""
        workload = self._ids.new()
        here, there = self.store.folder(workload), Folder(self._there / workload)
        spec = WorkloadSpec(command, "benchmark", cwd="/", env=plain_environment(), tty=False)
        for folder in here, there:
            folder.create(spec, time.time() * 1000)
        subprocess.run(self._argv("run", there), check=True, stdout=subprocess.DEVNULL)
        return workload, there, Mirror(here, lambda: CommandPipe.open(self._argv("serve", there)), place="there")

    def _argv(self, command: str, there: Folder) -> list[str]:
        return [sys.executable, "-I", str(self._there / "runner.pyz"), command, str(there.path)]


async def catch_up(loopback: Loopback) -> tuple[float, float, float]:
    """Seconds to copy and verify a whole log; CPU seconds of this process for it; seconds of `cat`."""
    workload, there, mirror = loopback.start([sys.executable, str(HERE / "emit.py"), str(LINES)])
    while not there.read_status()[0].final:  # noqa: ASYNC110 - the runner is another process
        await asyncio.sleep(0.05)
    begin = time.perf_counter()
    pipe = await CommandPipe.open(["cat", *map(str, sorted(there.path.glob("std*")))])
    while await pipe.reader.read(1 << 20):
        pass
    await pipe.close()
    by_cat = time.perf_counter() - begin
    begin, cpu = time.perf_counter(), time.process_time()
    async for _ in mirror.watch():
        pass
    by_mirror, cpu = time.perf_counter() - begin, time.process_time() - cpu
    assert loopback.store.read(workload, 0, 0).tally().lines == LINES
    await mirror.complete()
    loopback.store.drop(workload)
    return by_mirror, cpu, by_cat


async def live(loopback: Loopback) -> float:
    """Seconds from the first line's write there to the verified end here."""
    workload, _, mirror = loopback.start([sys.executable, str(HERE / "emit.py"), str(LINES)])
    async for _ in mirror.watch():
        pass
    end = time.time()
    begin = int(loopback.store.read(workload, 0, 1).messages[0]) / 1e9
    await mirror.complete()
    loopback.store.drop(workload)
    return end - begin


async def waits(store: FileStore, workload: str, count: int, end: Awaitable[object]) -> list[float]:
    """Milliseconds from the write of each of `count` lines of ticks.py to a reader of its log here, until `end`."""
    found: list[float] = []
    changed = asyncio.Event()
    stop = store.watch(workload, changed.set)

    async def follow() -> None:
        after = 0
        while after < count:
            changed.clear()
            batch = store.read(workload, after, 5000)
            now = time.time_ns()
            found.extend((now - int(one[1])) / 1e6 for text in batch.messages if (one := _TIME.search(text)))
            after = batch.last if len(batch) else after
            await changed.wait()

    following = asyncio.ensure_future(follow())
    await end
    changed.set()
    await following
    stop()
    return found


async def loopback_waits(loopback: Loopback) -> list[float]:
    workload, _, mirror = loopback.start([sys.executable, str(HERE / "ticks.py"), str(RATE), str(SECONDS)])

    async def watch() -> None:
        async for _ in mirror.watch():
            pass

    found = await waits(loopback.store, workload, RATE * SECONDS, watch())
    await mirror.complete()
    return found[RATE:]  # the first second is the start of a process


async def measure() -> dict[str, float]:
    with TemporaryDirectory(dir=os.environ.get("TMPDIR")) as root:
        loopback = Loopback(Path(root))
        copies = [await catch_up(loopback) for _ in range(ROUNDS)]
        lives = [await live(loopback) for _ in range(ROUNDS)]
        found = await loopback_waits(loopback)
        loopback.store.close()
    megabytes = LINES * LINE_BYTES / 1e6
    return {
        "mirror: copying a log, lines/s (median)": LINES / median(seconds for seconds, _, _ in copies),
        "mirror: cat over the same pipe, lines/s (median)": LINES / median(seconds for _, _, seconds in copies),
        "mirror: CPU of the server, ms per MB": 1000 * median(cpu for _, cpu, _ in copies) / megabytes,
        "mirror: child there to verified end here, lines/s (median)": LINES / median(lives),
        f"mirror, {RATE:,} lines/s: line there to reader here, p50, ms": median(found),
        f"mirror, {RATE:,} lines/s: line there to reader here, p99, ms": quantiles(found, n=100)[98],
    }


def main() -> dict[str, float]:
    return asyncio.run(measure())


if __name__ == "__main__":
    print(json.dumps(main(), indent=1))
