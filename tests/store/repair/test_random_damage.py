"""Random bytes of random logs changed in place: nothing but the records that they belong to changes."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from support.on_disk import folder_of, served

from jupyter_logstream.model.records import Record
from jupyter_logstream.store.disk import layout
from jupyter_logstream.store.disk.index import Index
from jupyter_logstream.store.disk.writer import LogWriter

PARTS = [b"line %d of output\n", b"bar %d\r", b"word %d ", b"windows %d\r\n", b"ERROR boom %d\n"]


def fill(folder: Path, rng: random.Random) -> None:
    """An ended log of both sources and published records, with progress bars, long lines and steps."""
    log = LogWriter(folder)
    for i in range(rng.randint(50, 400)):
        if rng.random() < 0.15:
            step = f"step {i % 3}" if rng.random() < 0.5 else None
            log.publish([Record(0, 1e12 + i, "warn", f"note {i}", step=step, source="log", fields={"i": i})])
        else:
            text = b"".join(rng.choice(PARTS) % (10 * i + j) for j in range(rng.randint(1, 6)))
            log.write(rng.choice(["stdout", "stdout", "stdout", "stderr"]), text)
    if rng.random() < 0.1:
        log.write("stdout", b"x" * 150_000 + b"\n")
    log.close()


def change(path: Path, rng: random.Random) -> range:
    """Change some bytes of a file; returns which."""
    data = bytearray(path.read_bytes())
    size = min(rng.choice([1, 1, 2, 20, 100, 512]), len(data))
    at = rng.randrange(len(data) - size + 1)
    kind = rng.choice(["zeros", "noise", "bits", "line ends"])
    for i in range(at, at + size):
        data[i] = {"zeros": 0, "noise": rng.randrange(256), "bits": data[i] ^ 1 << rng.randrange(8), "line ends": 10}[
            kind
        ]
    path.write_bytes(data)
    return range(at, at + size)


def touched(words: Any, name: str, changed: range) -> set[int]:
    """The records with changed bytes, and the next one in the same file, which may not begin behind a line end."""
    found, is_next = set(), False
    for i in range(0, len(words), 4):
        if layout.file_of(words[i + 3]) == name:
            start, end = words[i], words[i] + (words[i + 2] & 0xFFFFFFFF)
            is_hit = start < changed.stop and changed.start < end
            if is_hit or is_next:
                found.add(i // 4 + 1)
            is_next = is_hit
    return found


@pytest.mark.parametrize("files", ["bytes", "index"])
@pytest.mark.parametrize("seed", range(20))
def test_damage_changes_only_the_records_that_it_hits(root: Path, small_segments: Any, seed: int, files: str) -> None:
    rng = random.Random(f"{seed} {files}")
    small_segments(rng.choice([5000, 50_000, 1 << 26]), rng.choice([64, 1000, 1 << 20]))
    folder = folder_of(root)
    fill(folder, rng)
    before, words = served(root), Index(folder).read(0, 1 << 20)
    prefixes = ("index.",) if files == "index" else ("stdout.", "stderr.", "notes.")
    path = rng.choice(sorted(path for path in folder.iterdir() if path.name.startswith(prefixes)))
    name, number = path.name.split(".")
    changed = change(path, rng)
    if files == "index":
        first = int(number) * layout.INDEX_SEGMENT
        hit = set(range(first + changed.start // layout.ENTRY, first + (changed.stop - 1) // layout.ENTRY + 1))
    else:
        base = int(number) * layout.SEGMENT
        hit = touched(words, name, range(base + changed.start, base + changed.stop))
    after = served(root)
    assert [r for r in after[: len(before)] if r.seq not in hit] == [r for r in before if r.seq not in hit]
    assert [r.source for r in after[len(before) :]] in ([], ["system"])
    assert served(root) == after
