"""Which files the paths name: positions of files that were closed, and the bound of open files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jupyter_logstream.runner import followed_globs, followed_paths
from jupyter_logstream.runner.followed_paths import FollowedPaths


def paths_of(folder: Path, *paths: str) -> FollowedPaths:
    return FollowedPaths({"paths": list(paths), "roots": [str(folder)]}, str(folder))


def read(paths: FollowedPaths) -> list[tuple[str, bytes]]:
    """What is new in all files, stored."""
    paths.update()
    found = [(file, data) for file in paths.files() if (data := file.read(whole_lines=True))]
    for file, _ in found:
        file.mark_stored(file.offset, 0)
    return [(file.name, data) for file, data in found]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Search the globs at each update, and close old files without waiting."""
    monkeypatch.setattr(followed_paths, "OLD_FILE_S", 0.0)
    for name in "_SEARCH_INTERVAL_S", "_SEARCH_SHARE":
        monkeypatch.setattr(followed_globs, name, 0.0)


def test_a_rotated_file_that_was_closed_goes_on_where_it_was_under_its_new_name(tmp_path: Path) -> None:
    log, rotated = tmp_path / "a.log", tmp_path / "a.log.1"
    log.write_bytes(b"one\n")
    paths = paths_of(tmp_path, "a.log*")
    assert read(paths) == [("a.log", b"one\n")]
    log.rename(rotated)
    log.write_bytes(b"two\n")
    assert read(paths) == [("a.log", b"two\n")]
    for file in paths.expired():
        file.close()
    with rotated.open("ab") as file:
        file.write(b"late\n")
    assert read(paths) == [("a.log.1", b"late\n")]


def test_a_removed_file_whose_inode_is_used_again_is_read_from_its_beginning(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(b"one\n")
    paths = paths_of(tmp_path, "*.log")
    assert read(paths) == [("a.log", b"one\n")]
    log.unlink()
    assert read(paths) == []
    for file in paths.expired():
        file.close()  # now the inode is free
    log.write_bytes(b"one\ntwo\n")
    assert read(paths) == [("a.log", b"one\ntwo\n")]


def test_more_matches_than_can_be_open_are_reported_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(followed_paths, "MAX_FILES", 2)
    for name in "abcd":
        (tmp_path / f"{name}.log").write_bytes(b"x\n")
    paths = paths_of(tmp_path, "*.log")
    assert read(paths) == [("a.log", b"x\n"), ("b.log", b"x\n")]
    assert paths.reports() == ["more than 2 files match: the others are not followed"]
    assert read(paths) == []
    assert paths.reports() == []
    (tmp_path / "a.log").unlink()
    paths.update()
    for file in paths.expired():
        file.close()
    assert read(paths) == [("c.log", b"x\n")]


def test_a_file_that_was_rotated_away_between_two_looks_is_reported(tmp_path: Path) -> None:
    log = tmp_path / "train.log"
    log.write_bytes(b"one\n")
    (tmp_path / "train.log.3").write_bytes(b"long before\n")
    os.utime(tmp_path / "train.log.3", (0, 0))
    paths = paths_of(tmp_path, "train.log")
    assert read(paths) == [("train.log", b"one\n")]
    log.rename(tmp_path / "train.log.2")
    for name in "train.log.1", "train.log.4.gz", "train.log.lock", "train.json", "other.log.1":
        (tmp_path / name).write_bytes(b"between\n")
    log.write_bytes(b"two\n")
    assert read(paths) == [("train.log", b"two\n")]
    assert paths.reports() == ["train.log was rotated more than once between two checks: train.log.1 was not read"]


def test_one_rotation_is_not_reported(tmp_path: Path) -> None:
    for pattern, name in ("a.log", "a.log.1"), ("a.log*", "a.log.1"), ("a.log", "a-2026.log"):
        log = tmp_path / "a.log"
        log.write_bytes(b"one\n")
        paths = paths_of(tmp_path, pattern)
        assert read(paths)[0] == ("a.log", b"one\n")
        log.rename(tmp_path / name)
        log.write_bytes(b"two\n")
        assert read(paths) == [("a.log", b"two\n")]
        assert paths.reports() == []
        for path in tmp_path.iterdir():
            path.unlink()


def test_a_second_rotated_file_that_a_glob_reads_is_not_reported(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(b"one\n")
    paths = paths_of(tmp_path, "*.log*")
    assert read(paths) == [("a.log", b"one\n")]
    log.rename(tmp_path / "a.log.2")
    (tmp_path / "a.log.1").write_bytes(b"between\n")
    log.write_bytes(b"two\n")
    assert sorted(read(paths)) == [("a.log", b"two\n"), ("a.log.1", b"between\n")]
    assert paths.reports() == []


def test_a_file_that_a_glob_finds_by_several_names_is_read_once_under_its_own(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "z.log").write_bytes(b"one\n")
    (tmp_path / "runs" / "up").symlink_to("..")  # a loop
    (tmp_path / "latest.log").symlink_to("runs/z.log")
    assert read(paths_of(tmp_path, "*.log", "**/*.log")) == [("runs/z.log", b"one\n")]
    assert read(paths_of(tmp_path, "latest.log")) == [("latest.log", b"one\n")]
