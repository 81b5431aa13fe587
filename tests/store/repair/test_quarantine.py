"""Foreign files in the place of a log's files are quarantined, never read and never lost."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.damaged_logs import ENTRIES, SEGMENT, check_paths_again, lines, numbered
from support.on_disk import ID, downloaded, folder_of, opened, texts

from jupyter_logstream.model.records import Record
from jupyter_logstream.store.disk.writer import LogWriter


@pytest.fixture(autouse=True)
def small(small_segments: Any) -> None:
    small_segments(SEGMENT, ENTRIES)


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def a_link(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.with_name("elsewhere"))
    path.with_name("elsewhere").write_bytes(b"not ours\n")


def a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "inside").write_bytes(b"not ours\n")


def another_file(path: Path) -> None:
    path.unlink()
    path.write_bytes(b"not ours\n")


def asides(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if ".aside" in path.name)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("plant", [a_pipe, a_link, a_directory, another_file])
@pytest.mark.parametrize("name", ["stdout", "notes", "index"])
def test_what_replaces_an_open_file_is_quarantined(root: Path, plant: Callable[[Path], None], name: str) -> None:
    folder = folder_of(root)
    log = LogWriter(folder)
    for round_ in range(2):
        for i in range(10 * round_ + 1, 10 * round_ + 11):
            log.write("stdout", lines(i, i + 1)[0])
        log.publish([Record(0, 1e12, "info", f"note {round_}", source="log")])
        plant(folder / f"{name}.000")
        check_paths_again(log)
    log.write("stdout", lines(21, 22)[0])
    log.close()
    assert numbered(texts(root)) == ([21] if name == "stdout" else list(range(1, 22)))
    assert texts(root, "log") == ([] if name == "notes" else ["note 0", "note 1"])
    if name != "stdout":
        assert downloaded(folder) == b"".join(lines(1, 22))
    assert [path.name for path in asides(folder)] == [f"{name}.000.aside", f"{name}.000.aside1"]
    for path in asides(folder):
        if plant is not a_pipe:
            content = (path / "inside" if path.is_dir() else path).read_bytes()
            assert content.endswith(b"not ours\n")
    with opened(root) as store:
        store.drop(ID)
    assert not folder.exists()
    assert not any(root.joinpath("streams").iterdir())


@pytest.mark.parametrize("plant", [os.mkfifo, lambda path: path.write_bytes(b"not ours\n"), Path.mkdir])
def test_what_lies_in_the_place_of_the_next_segment_is_quarantined(root: Path, plant: Callable[[Path], None]) -> None:
    folder = folder_of(root)
    log = LogWriter(folder)
    log.write("stdout", lines(1, 2)[0])
    plant(folder / "stdout.001")
    for i in range(2, 101):
        log.write("stdout", lines(i, i + 1)[0])
    log.close()
    assert numbered(texts(root)) == list(range(1, 101))
    assert [path.name for path in asides(folder)] == ["stdout.001.aside"]
