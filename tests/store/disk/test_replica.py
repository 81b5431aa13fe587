"""The replica of a log: appends by offset and nothing else, and moves the times of a wrong clock."""

from __future__ import annotations

import os
import zlib
from array import array
from pathlib import Path

import pytest

from jupyter_logstream.store.disk import layout
from jupyter_logstream.store.disk.replica import MirrorState, OffsetMismatch, Replica
from jupyter_logstream.wire.mirror_frames import is_append_only


@pytest.fixture
def log(tmp_path: Path) -> Path:
    (tmp_path / "LOG").mkdir()
    return tmp_path / "LOG"


def test_bytes_are_appended_only_where_the_file_ends(log: Path) -> None:
    copy = Replica(log, is_append_only)
    assert copy.append("stdout.000", 0, b"abc") == 3
    for offset in 0, 2, 4:
        with pytest.raises(OffsetMismatch) as mismatch:
            copy.append("stdout.000", offset, b"x")
        assert mismatch.value.size == 3
    copy.close()
    again = Replica(log, is_append_only)  # of the next server
    assert again.sizes() == {"stdout.000": 3}
    assert again.append("stdout.000", 3, b"d") == 4
    assert (log / "stdout.000").read_bytes() == b"abcd"
    again.close()


@pytest.mark.parametrize("name", ["spec.json", "../x.000", "stdout", "end", "stdout.0000"])
def test_no_other_file_can_be_written(log: Path, name: str) -> None:
    copy = Replica(log, is_append_only)
    with pytest.raises(ValueError, match="no file of a log"):
        copy.append(name, 0, b"x")
    copy.remove(name)
    assert os.listdir(log) == []
    assert copy.checksum(name, 0) is None


def test_a_segment_never_becomes_longer_than_a_segment(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jupyter_logstream.store.disk.replica.SEGMENT", 4)
    copy = Replica(log, is_append_only)
    copy.append("stdout.000", 0, b"abcd")
    with pytest.raises(ValueError, match="longer than a segment"):
        copy.append("stdout.000", 4, b"e")
    copy.append("result", 0, b"abcdefgh")
    copy.close()


def test_a_link_in_place_of_a_file_is_never_followed(log: Path, tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"precious")
    (log / "stdout.000").symlink_to(tmp_path / "target")
    copy = Replica(log, is_append_only)
    copy.append("stdout.000", 0, b"abc")
    copy.close()
    assert (tmp_path / "target").read_bytes() == b"precious"
    assert (log / "stdout.000").read_bytes() == b"abc"


def test_times_are_moved_and_checksums_are_those_of_the_source(log: Path) -> None:
    entries = array("Q", [0, 1_000_000, 3 | 3 << 32, 0, 3, 5, 3 | 3 << 32, 0])
    source = layout.header("LOG", 1) + layout.pack(entries)
    copy = Replica(log, is_append_only, shift_us=-1000)
    copy.append("index.000", 0, source[:64])
    copy.append("index.000", 64, source[64:])
    times = layout.unpack((log / "index.000").read_bytes()[32:])[1::4]
    assert list(times) == [999_000, 0]
    assert copy.checksum("index.000", 64) == zlib.crc32(source[:64])
    assert copy.checksum("index.000", 97) is None
    copy.close()


def test_a_torn_index_entry_is_truncated_before_the_log_is_continued(log: Path) -> None:
    (log / "index.000").write_bytes(bytes(32 * 2 + 7))
    copy = Replica(log, is_append_only)
    assert copy.sizes() == {"index.000": 64}
    assert copy.append("index.000", 64, bytes(32)) == 96
    copy.close()
    assert (log / "index.000").stat().st_size == 96


def test_a_failed_append_leaves_the_file_unchanged(log: Path) -> None:
    copy = Replica(log, is_append_only)
    copy.append("stdout.000", 0, b"abc")
    fd = copy._open["stdout.000"][0]
    read_only = os.open(log / "stdout.000", os.O_RDONLY)
    os.dup2(read_only, fd)  # every write fails now
    with pytest.raises(OSError, match="Bad file descriptor"):
        copy.append("stdout.000", 3, b"def")
    os.close(read_only)
    assert (log / "stdout.000").read_bytes() == b"abc"
    copy.close()


def test_the_state_of_a_mirror_survives_a_restart_and_damage(log: Path) -> None:
    state = MirrorState(log)
    assert (state.shift_us, state.cancel_grace_s, state.missing) == (None, None, {})
    state.shift_us, state.cancel_grace_s, state.missing = -5, 2.0, {"stdout": 7}
    state.save()
    again = MirrorState(log)
    assert (again.shift_us, again.cancel_grace_s, again.missing) == (-5, 2.0, {"stdout": 7})
    (log / "mirror.json").write_text("{")
    assert MirrorState(log).shift_us is None
