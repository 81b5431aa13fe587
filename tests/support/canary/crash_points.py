"""Kill a real runner with strace at its nth system call of a kind on its files, and check the log it leaves.

strace kills before the call is done; half-done calls are tested in `store/repair/test_repair.py`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from support.paths import ROOT
from support.running import alive, runners
from support.waiting import until

from jupyter_logstream.model.protocol import WORKLOAD_VARIABLE
from jupyter_logstream.model.workload import WorkloadSpec
from jupyter_logstream.store.disk.folder import Folder, RunParameters
from jupyter_logstream.store.disk.layout import extent
from jupyter_logstream.store.disk.sidecars import RetainedRange
from jupyter_logstream.text.lines import MAX_TEXT_BYTES, final_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jupyter_logstream.model.records import Record

HERE = Path(__file__).parent
PACKAGE = ROOT
SEGMENT, INDEX_SEGMENT, KEEP = 16 * 1024, 8, 60_000
OUTPUT = ("stdout", "stderr")
SMALL = ("spec.json", "status.json", "kept", "steps", "masked", "end", "control", "runner.log")


def run_killed(folder: Folder, command: Sequence[str], call: str, number: int) -> bool:
    """Run a workload to its end, or to the runner's nth `call` on a file of its folder; whether it was killed."""
    run_traced(folder, command, f"{call}:signal=KILL:when={number}")
    return folder.control.exists() or not folder.read_status()[0].final  # it unlinks its socket last


def run_traced(folder: Folder, command: Sequence[str], inject: str) -> str:
    """Run a workload under strace with this injection on the files of its folder. Returns the trace."""
    env = {**os.environ, WORKLOAD_VARIABLE: folder.id}
    folder.create(WorkloadSpec(command=list(command), name="crash", env=env, tty=False), time.time() * 1000)
    folder.write_run(RunParameters(KEEP, grace_s=1))
    trace = folder.path.parents[1] / "strace"
    runner = [sys.executable, "-I", "-S", str(HERE / "shrunk.py"), str(PACKAGE), str(SEGMENT), str(INDEX_SEGMENT)]
    tracer = ["strace", "-f", "-q", "-o", str(trace), "-e", "signal=none", "-e", f"trace={inject.partition(':')[0]}"]
    tracer += ["-e", f"inject={inject}", *(part for p in files(folder) for part in ("-P", p))]
    with folder.runner_log.open("ab") as runner_log:
        subprocess.run([*tracer, *runner, str(folder.path)], stderr=runner_log, check=False, timeout=60)
    until(lambda: not any(map(alive, runners(folder))))
    return trace.read_text()


def files(folder: Folder) -> list[str]:
    """Every path in a workload's folder that its runner may write to."""
    numbered = [f"{name}.{n:03d}" for name in (*OUTPUT, "notes", "index") for n in range(24)]
    return [str(folder.path / name) for name in (*numbered, *SMALL, *(f"{name}.new" for name in SMALL))]


def assert_right(folder: Folder, records: Sequence[Record]) -> None:
    """The retained records are the bytes sent, split into lines; every chunk read before the last one is on disk.

    No record reports a loss.
    """
    first = RetainedRange.read(folder.path).first
    assert [r.seq for r in records] == list(range(first, first + len(records)))
    assert {r.source for r in records} <= set(OUTPUT)
    for source in OUTPUT:
        sent = read(folder, f"sent.{source}")
        begin, end = extent(folder.path, source)
        on_disk = b"".join(path.read_bytes() for path in sorted(folder.path.glob(f"{source}.0*")))
        assert on_disk == sent[begin:end]
        assert end >= int(read(folder, f"taken.{source}") or 0), "a chunk read before the last one is not on disk"
        expected, found = lines(sent[:end]), [r.message for r in records if r.source == source]
        assert found == expected[len(expected) - len(found) :]
        assert first > 1 or len(found) == len(expected)


def read(folder: Folder, name: str) -> bytes:
    path = folder.path / name
    return path.read_bytes() if path.exists() else b""


def lines(sent: bytes) -> list[str]:
    """The expected texts: the final state of a progress bar, over-long lines in parts."""
    found = []
    for line in sent.removesuffix(b"\n").split(b"\n") if sent else ():
        text = final_text(line).decode()
        found += [text[at : at + MAX_TEXT_BYTES] for at in range(0, len(text), MAX_TEXT_BYTES)]
    return found
