"""A repair that is killed at any system call: the next one completes it and reports every loss."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from support.on_disk import downloaded, folder_of, served

from jupyter_logstream.model.records import Record
from jupyter_logstream.store.disk import files, index, segments, writer
from jupyter_logstream.store.disk import sidecars as kept
from jupyter_logstream.store.disk.writer import LogWriter


class Killed(BaseException):
    """Like a kill, no `except` of the package catches it."""


class Mortal:
    """An `os` that raises Killed before its nth call that changes something."""

    CHANGES = ("write", "pwrite", "ftruncate", "truncate", "fsync", "replace", "rename", "unlink")

    def __init__(self, number: int) -> None:
        self.left = number

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        if name not in self.CHANGES:
            return real

        def call(*given: Any, **known: Any) -> Any:
            self.spend()
            return real(*given, **known)

        return call

    def spend(self) -> None:
        self.left -= 1
        if self.left <= 0:
            raise Killed


@contextmanager
def dying_at(monkeypatch: pytest.MonkeyPatch, number: int) -> Iterator[None]:
    mortal = Mortal(number)
    unlink = Path.unlink

    def mortal_unlink(path: Path, *given: Any, **known: Any) -> None:
        mortal.spend()
        unlink(path, *given, **known)

    with monkeypatch.context() as patch:
        for module in (segments, index, kept, writer, files):
            patch.setattr(module, "os", mortal)
        patch.setattr(Path, "unlink", mortal_unlink)
        yield


def cut(name: str, by: int) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        last = max(folder.glob(f"{name}.0*"))
        os.truncate(last, max(last.stat().st_size - by, 0))

    damage.__name__ = f"{name} cut by {by}"
    return damage


def zeros_behind_the_index(folder: Path) -> None:
    last = max(folder.glob("index.0*"))
    os.truncate(last, last.stat().st_size + 3 * 32)


def a_short_segment(folder: Path) -> None:
    os.truncate(sorted(folder.glob("stdout.0*"))[2], 100)


def no_segment(folder: Path) -> None:
    sorted(folder.glob("stdout.0*"))[2].unlink()


def no_index(folder: Path) -> None:
    for path in folder.glob("index.0*"):
        path.unlink()


def a_damaged_index(folder: Path) -> None:
    path = sorted(folder.glob("index.0*"))[1]
    path.write_bytes(bytes(64) + path.read_bytes()[64:])


def zeros_in_the_middle(folder: Path) -> None:
    path = sorted(folder.glob("stdout.0*"))[2]
    data = path.read_bytes()
    path.write_bytes(data[:100] + bytes(70) + data[170:])


def bad_kept(folder: Path) -> None:
    (folder / "kept").write_bytes(b"{")


DAMAGE = [cut("index", 40), cut("index", 250), cut("stdout", 33), cut("stdout", 300), cut("notes", 5),
          zeros_behind_the_index, a_short_segment, no_segment, no_index, a_damaged_index, bad_kept,
          zeros_in_the_middle]  # fmt: skip


def fill(folder: Path, keep: int = 1 << 30) -> None:
    log = LogWriter(folder, keep=keep)
    for i in range(45):
        log.write("stdout", b"INFO line %d of the output\n" % i)
        if i % 7 == 0:
            log.write("stderr", b"err %d\nhalf " % i)
        if i % 15 == 14:
            log.publish([Record(0, 1e12 + i, "warn", f"note {i}", step=f"step {i}", source="log")])
    log.release()


def repaired(root: Path, folder: Path) -> tuple[list[tuple[str, str, str | None]], bytes]:
    """Records and bytes of a log that the next writer opened, wrote to and ended."""
    log = LogWriter(folder)
    log.write("stdout", b"afterwards\n")
    log.publish([Record(0, 1e12, "info", "afterwards", source="log")])
    log.close()
    records = served(root)
    assert [r.seq for r in records] == list(range(records[0].seq, records[-1].seq + 1))
    return [(r.source, r.message, r.step) for r in records], downloaded(folder)


def copy(folder: Path, root: Path) -> Path:
    return Path(shutil.copytree(folder, folder_of(root), dirs_exist_ok=True))


@pytest.mark.slow
@pytest.mark.parametrize("stride", [7, pytest.param(1, marks=pytest.mark.soak)])
@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: damage.__name__.replace("_", " "))
@pytest.mark.parametrize(("keep", "ended"), [(1 << 30, False), (3000, True)], ids=["whole", "retained in part, ended"])
def test_a_repair_killed_at_any_call_is_completed_and_reported_by_the_next_opening(
    tmp_path: Path,
    small_segments: Any,
    monkeypatch: pytest.MonkeyPatch,
    damage: Callable[[Path], None],
    keep: int,
    ended: bool,
    stride: int,
) -> None:
    small_segments(256, 8)
    damaged = folder_of(tmp_path / "damaged")
    fill(damaged, keep)
    if ended:
        (damaged / "end").touch()
    damage(damaged)
    expected = repaired(tmp_path / "unharmed", copy(damaged, tmp_path / "unharmed"))
    for number in count(1, stride):
        root = tmp_path / str(number)
        folder = copy(damaged, root)
        with dying_at(monkeypatch, number):
            try:
                LogWriter(folder).release()
            except Killed:
                pass
            else:
                break
        assert repaired(root, folder) == expected, number
        shutil.rmtree(root)
    assert number > stride


@pytest.mark.parametrize("damage", [a_short_segment, cut("stdout", 300)])
def test_a_loss_is_reported_to_readers_if_the_repair_was_killed_before_reporting_it(
    root: Path, small_segments: Any, monkeypatch: pytest.MonkeyPatch, damage: Callable[[Path], None]
) -> None:
    small_segments(256, 8)
    folder = folder_of(root)
    fill(folder)
    LogWriter(folder).close()
    damage(folder)
    with monkeypatch.context() as patch:
        patch.setattr(LogWriter, "_publish_losses", lambda *_: Mortal(1).spend())
        with pytest.raises(Killed):
            LogWriter(folder)
    assert any("lost" in record.message for record in served(root) if record.source == "system")
    assert any("lost" in record.message for record in served(root) if record.source == "system")
    assert [path.name for path in folder.glob("losses*")] == []
