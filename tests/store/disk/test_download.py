"""Downloads: every range is a part of the whole, lines of both sources in order of arrival, and nothing cuts one."""

from __future__ import annotations

import random
from contextlib import closing
from pathlib import Path

import pytest

from jupyter_logstream.model.records import Record
from jupyter_logstream.store.disk.download import Download
from jupyter_logstream.store.disk.file_store import FileStore
from jupyter_logstream.store.disk.layout import OUTPUT
from jupyter_logstream.store.disk.writer import LogWriter


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "log"
    made.mkdir()
    return made


def both(folder: Path) -> bytes:
    log = LogWriter(folder)
    written = b""
    rng = random.Random(5)
    for i in range(400):
        line = b"%d %s\n" % (i, b"x" * rng.randint(0, 60))
        log.write(rng.choice(["stdout", "stderr"]), line)
        written += line
    log.publish([Record(0, 1e12, "warn", "reported, not written", source="system")])
    log.close()
    return written


def test_lines_of_both_sources_come_in_order_of_arrival(folder: Path) -> None:
    written = both(folder)
    with closing(Download(folder, None)) as download:
        assert download.size == len(written)
        assert b"".join(download.chunks(0, download.size)) == written


@pytest.mark.parametrize("at_once", [1, 7, 100, 1 << 20])
def test_every_range_is_that_part_of_the_download(folder: Path, at_once: int) -> None:
    written = both(folder)
    rng = random.Random(at_once)
    for source in None, "stdout", "stderr":
        with closing(Download(folder, source)) as download:
            whole = b"".join(download.chunks(0, download.size))
            assert len(whole) == download.size
            for _ in range(40):
                start = rng.randint(0, len(whole))
                end = min(start + rng.randint(0, 300), len(whole))
                pieces = list(download.chunks(start, end, at_once))
                assert b"".join(pieces) == whole[start:end]
                assert all(pieces)
    assert len(written) == sum(path.stat().st_size for path in folder.glob("std*"))


def test_a_download_of_records_has_their_whole_lines_and_no_others(folder: Path) -> None:
    lines = both(folder).splitlines(keepends=True)
    written = {source: set((folder / f"{source}.000").read_bytes().splitlines(keepends=True)) for source in OUTPUT}
    for after, last in ((0, 10), (390, None), (17, 18), (100, 300), (0, 400), (400, 500), (7, 7)):
        for source in None, "stdout", "stderr":
            with closing(Download(folder, source, after, last)) as download:
                expected = b"".join(line for line in lines[after:last] if source is None or line in written[source])
                assert b"".join(download.chunks(0, download.size)) == expected, (after, last, source)


def test_a_download_of_records_has_no_unfinished_line(folder: Path) -> None:
    log = LogWriter(folder)
    log.write("stdout", b"a\nb\nopen")
    for last in None, 2, 9:
        with closing(Download(folder, None, 1, last)) as download:
            assert b"".join(download.chunks(0, download.size)) == b"b\n"
    log.release()


def test_unfinished_lines_stand_at_the_end(folder: Path) -> None:
    log = LogWriter(folder)
    log.write("stdout", b"a\nopen out")
    log.write("stderr", b"b\nopen err")
    with closing(Download(folder, None)) as download:
        assert b"".join(download.chunks(0, download.size)) == b"a\nb\nopen outopen err"
    log.release()


def test_bytes_written_later_are_not_in_a_download(folder: Path) -> None:
    log = LogWriter(folder)
    log.write("stdout", b"a\n")
    log.write("stderr", b"b\n")
    for source in None, "stdout":
        with closing(Download(folder, source)) as download:
            size = download.size
            log.write("stdout", b"later\n")
            log.write("stderr", b"later\n")
            assert len(b"".join(download.chunks(0, download.size))) == size == download.size
    log.release()


def test_a_deletion_does_not_truncate_a_running_download(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "store")
    store.folder("s").path.mkdir()
    log = LogWriter(store.folder("s").path)
    data = b"a line of some length\n" * 200_000
    log.write("stdout", data)
    log.write("stderr", b"x\n")
    log.close()
    for source in "stdout", None:
        with closing(Download(store.folder("s").path, "stdout")) as download:
            chunks = download.chunks(0, download.size, 100_000)
            got = next(chunks)
            if source is None:
                store.drop("s")
            assert got + b"".join(chunks) == data
    store.close()


def test_a_download_of_an_unknown_log_raises(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Download(tmp_path / "none", None)


def test_a_log_without_output_is_empty(folder: Path) -> None:
    LogWriter(folder).close()
    for source in None, "stdout", "stderr":
        with closing(Download(folder, source)) as download:
            assert download.size == 0
            assert list(download.chunks(0, 0)) == []
