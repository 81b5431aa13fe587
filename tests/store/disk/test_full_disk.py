"""A full disk: an append that fails leaves the log as it was."""

from __future__ import annotations

import contextlib
import errno
from pathlib import Path
from typing import Any

import pytest
from support.on_disk import (
    ID,
    downloaded,
    folder_of,
    numbered,
    opened,
    served,
    texts,
)

from jupyter_logstream.model.records import Record
from jupyter_logstream.store.disk import sidecars as kept
from jupyter_logstream.store.disk.writer import LogWriter


@pytest.mark.parametrize("fresh", [True, False])
@pytest.mark.parametrize("fail_at", range(1, 6))
def test_an_append_on_a_full_disk_changes_nothing_and_can_be_repeated(
    root: Path, full_disk: Any, small_segments: Any, fail_at: int, fresh: bool
) -> None:
    small_segments(64, 4)
    folder = folder_of(root)
    log = LogWriter(folder)
    chunk = b"".join(b"line %d of some output\n" % i for i in range(6)) + b"rest"
    before = b""
    if not fresh:
        log.write("stdout", before := b"before\nhalf a ")
    lines_before = log.lines
    with full_disk(fail_at), pytest.raises(OSError, match="No space"):
        log.write("stdout", chunk)
    assert downloaded(folder, "stdout") == before
    assert log.lines == lines_before
    with opened(root) as store:
        assert store.read(ID, 0, 1000).end == lines_before
    log.write("stdout", chunk)
    log.close()
    assert downloaded(folder, "stdout") == before + chunk
    assert texts(root) == (before + chunk).decode().split("\n")


def test_a_full_disk_at_the_end_of_the_log_loses_no_line(root: Path, full_disk: Any) -> None:
    for fail_at in range(1, 4):
        folder = folder_of(root, f"s{fail_at}")
        log = LogWriter(folder)
        log.write("stdout", b"a\nout without end")
        log.write("stderr", b"err without end")
        with full_disk(fail_at), contextlib.suppress(OSError):
            log.close()
            continue
        log.close()
        assert sorted(r.message for r in served(root, folder.name)) == ["a", "err without end", "out without end"]


def test_a_full_disk_while_retention_works_doubles_nothing(
    root: Path, small_segments: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_segments(1000, 64)
    folder = folder_of(root)
    log = LogWriter(folder, keep=8000)
    whole, failures = b"", 0

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    for source, chunk in numbered(1, 1001):
        with monkeypatch.context() as patch:
            patch.setattr(kept, "write_json", full)
            try:
                log.write(source, chunk)
            except OSError:
                failures += 1
                patch.undo()
                log.write(source, chunk)  # as the runner does
        whole += chunk
    log.close()
    left = downloaded(folder)
    assert whole.endswith(left)
    seqs = [(r.seq, r.message) for r in served(root)]
    assert seqs == [(seq, f"stdout {seq:05}") for seq, _ in seqs]


def test_a_full_disk_leaves_published_records_as_they_were(root: Path, full_disk: Any) -> None:
    for fail_at in range(1, 5):
        folder = folder_of(root, f"s{fail_at}")
        log = LogWriter(folder)
        some = [Record(0, 1e12, "info", f"m{i}", step="fit", source="log") for i in range(3)]
        with full_disk(fail_at), contextlib.suppress(OSError):
            log.publish(some)
            some = []
        log.publish(some)
        log.close()
        assert [r.message for r in served(root, folder.name)] == ["m0", "m1", "m2"]
