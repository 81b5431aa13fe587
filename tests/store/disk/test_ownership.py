"""One server, one writer; modes and layouts."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from support.on_disk import (
    ID,
    downloaded,
    folder_of,
    opened,
    texts,
)

from jupyter_logstream.kernel.publish.spool import Spool
from jupyter_logstream.model.records import Record
from jupyter_logstream.server.extension import LogStream
from jupyter_logstream.server.registry import FolderRegistry
from jupyter_logstream.store.disk.file_store import FileStore
from jupyter_logstream.store.disk.files import make_private
from jupyter_logstream.store.disk.ownership import StoreInUse, WrongLayout
from jupyter_logstream.store.disk.writer import LogWriter
from jupyter_logstream.store.errors import UnknownStream
from jupyter_logstream.store.queries.filters import Filter
from jupyter_logstream.store.queries.pages import page


def test_a_second_server_is_refused_the_store_until_the_first_has_closed_it(root: Path) -> None:
    with opened(root), pytest.raises(StoreInUse):
        FileStore(root)
    with opened(root):
        pass


def test_a_store_of_another_layout_is_refused_and_left_alone(root: Path) -> None:
    with opened(root) as store:
        store.append(ID, [Record(0, 1e12, "info", "a", source="log")])
    (root / "layout").write_text("2\n")
    with pytest.raises(WrongLayout, match=r"2.*1"):
        FileStore(root)
    assert (root / "layout").read_text() == "2\n"
    (root / "layout").write_text("1\n")
    assert texts(root) == ["a"]


def test_other_users_cannot_read_the_store(root: Path) -> None:
    with opened(root) as store:
        store.append(ID, [Record(0, 1e12, "info", "a", step="s", source="log")], end=True)
    for path in [root, *root.rglob("*")]:
        others = path.stat().st_mode & 0o077
        assert not others or path.parent.stat().st_mode & 0o077 == 0, path


@pytest.fixture
def no_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("no_umask")
def test_no_folder_that_is_created_for_the_store_is_open_to_other_users(tmp_path: Path) -> None:
    root = tmp_path / "data" / "logstream" / "1"
    with opened(root) as store:
        store.append(ID, [Record(0, 1e12, "info", "a", source="log")])
    for folder in root, *root.parents[:2], root / "streams":
        assert folder.stat().st_mode & 0o777 == 0o700, folder


@pytest.mark.usefixtures("no_umask")
def test_no_folder_that_is_created_for_a_spool_is_open_to_other_users(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "logstream" / "spool" / "server"
    Spool.create(folder, "key", {"name": "x"}).remove()
    for each in folder, *folder.parents[:3]:
        assert each.stat().st_mode & 0o777 == 0o700, each


def test_a_folder_that_an_earlier_version_left_open_becomes_private(tmp_path: Path) -> None:
    folder = tmp_path / "logstream"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    make_private(folder)
    assert folder.stat().st_mode & 0o777 == 0o700


def link_to_a_log(path: Path, target: Path) -> None:
    path.symlink_to(target)


def pipe(path: Path, _: Path) -> None:
    os.mkfifo(path)


def plain_file(path: Path, _: Path) -> None:
    path.write_text("x")


@pytest.mark.timeout(60)
@pytest.mark.parametrize("plant", [link_to_a_log, pipe, plain_file])
@pytest.mark.parametrize("opened_before", [False, True])
def test_what_is_in_the_place_of_a_logs_folder_is_no_log(
    root: Path, tmp_path: Path, plant: Callable[[Path, Path], None], opened_before: bool
) -> None:
    elsewhere = tmp_path / "elsewhere"
    with opened(root) as store:
        store.append(ID, [Record(0, 1e12, "info", f"m{i}", source="log") for i in range(3)], end=True)
        if opened_before:
            assert len(store.read(ID, 0, 10)) == 3
        folder_of(root).rename(elsewhere)
        os.truncate(elsewhere / "index.000", 64)  # whoever repairs it changes it
        before = {path.name: path.read_bytes() for path in elsewhere.iterdir()}
        plant(root / "streams" / ID, elsewhere)
        assert store.streams() == []
        assert FolderRegistry(store.folders).ids() == []
        assert store.size(ID) == 0
        for act in (
            lambda: store.read(ID, 0, 10),
            lambda: store.open_download(ID, None),
            lambda: store.repair(ID),
        ):
            with pytest.raises(UnknownStream):
                act()
        with pytest.raises(NotADirectoryError):
            store.append(ID, [Record(0, 1e12, "info", "x", source="log")])
        store.drop(ID)
        assert not os.path.lexists(root / "streams" / ID)
    assert list((root / "streams").iterdir()) == []
    assert {path.name: path.read_bytes() for path in elsewhere.iterdir()} == before


@pytest.mark.timeout(60)
@pytest.mark.parametrize("plant", [os.mkfifo, lambda path: path.symlink_to("/etc/hostname")])
def test_a_link_or_a_pipe_in_the_place_of_the_layout_is_neither_followed_nor_waited_for(
    root: Path, plant: Callable[[Path], None]
) -> None:
    with opened(root):
        pass
    (root / "layout").unlink()
    plant(root / "layout")
    for _ in range(2):  # the first attempt releases its lock
        with pytest.raises(WrongLayout, match="not a regular file"):
            FileStore(root)


def test_half_created_and_half_dropped_streams_of_a_crash_are_removed(root: Path) -> None:
    with opened(root) as store:
        store.append(ID, [Record(0, 1e12, "info", "a", source="log")])
        for name in (".half-made", f".{ID}.gone"):
            (root / "streams" / name).mkdir()
            (root / "streams" / name / "spec.json").write_text("{}")
    with opened(root) as store:
        assert store.streams() == [ID]
        assert sorted(path.name for path in (root / "streams").iterdir()) == [ID]


def test_the_server_cannot_append_to_a_stream_that_a_runner_writes(root: Path) -> None:
    from jupyter_logstream.store.errors import NotWriter  # noqa: PLC0415

    with opened(root) as store:
        folder_of(root)
        lock = store.folder(ID).lock()
        assert lock is not None
        with pytest.raises(NotWriter):
            store.append(ID, [Record(0, 1e12, "info", "a", source="log")])
        os.close(lock)
        store.append(ID, [Record(0, 1e12, "info", "a", source="log")])


def test_a_closed_download_leaves_no_open_file(root: Path) -> None:
    def files() -> int:
        return len(os.listdir("/proc/self/fd"))

    before = files()
    with opened(root) as store:
        for i in range(50):
            store.append(f"s{i}", [Record(0, 1e12, "info", "a", source="log")], end=True)
            store.read(f"s{i}", 0, 10)
        during = files()
    assert during - before < 20
    assert files() == before


def test_concurrent_queries_of_totals_are_right(root: Path) -> None:
    with opened(root) as store:
        folder_of(root)
        lock = store.folder(ID).lock()
        assert lock is not None
        log = LogWriter(folder_of(root))
        stop = threading.Event()

        def query() -> None:
            while not stop.is_set():
                tally = store.read(ID, 0, 0).tally()
                assert sum(tally.levels.values()) == tally.lines

        with ThreadPoolExecutor(4) as pool:
            pending = [pool.submit(query) for _ in range(4)]
            for _ in range(300):
                log.write("stdout", b"INFO a\nERROR b\nplain\n" * 20)
            stop.set()
            for one in pending:
                one.result()
        tally = store.read(ID, 0, 0).tally()
        assert (tally.lines, dict(tally.levels)) == (18_000, {"info": 6_000, "error": 6_000, "unknown": 6_000})
        log.release()
        os.close(lock)


def test_reading_beside_a_writer_never_gives_a_torn_or_wrong_record(root: Path) -> None:
    folder = folder_of(root)
    with opened(root) as store:
        lock = store.folder(ID).lock()
        assert lock is not None
        log = LogWriter(folder)
        done = threading.Event()

        def write_on() -> None:
            rng = random.Random(4)
            for i in range(1500):
                count = rng.randint(1, 30)
                log.write("stdout", b"".join(b"%d:%d\r\n" % (i, k) for k in range(count)))
                log.write("stderr", b"e%d\n" % i)
            done.set()

        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(write_on)
            found: list[Record] = []
            while not done.is_set() or len(store.read(ID, len(found), 1)):
                found += store.read(ID, len(found), 500).records()
            writing.result()
        assert [r.seq for r in found] == list(range(1, len(found) + 1))
        lines = [r.message.encode() + b"\r\n" for r in found if r.source == "stdout"]
        assert b"".join(lines) == downloaded(folder, "stdout")
        assert [r.message for r in found if r.source == "stderr"] == [f"e{i}" for i in range(1500)]
        log.release()
        os.close(lock)


def test_retention_beside_a_reader_is_a_gap_and_never_an_unknown_stream(root: Path, small_segments: Any) -> None:
    small_segments(2000, 32)
    folder = folder_of(root)
    with opened(root, keep=8000) as store:
        lock = store.folder(ID).lock()  # as the runner does: a log in use is not repaired
        assert lock is not None
        log = LogWriter(folder, keep=8000)
        log.write("stdout", b"line 000000\n")
        done = threading.Event()

        def write_on() -> None:
            for i in range(1, 6000):
                log.write("stdout", b"line %06d\n" % i)
            done.set()

        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(write_on)
            while not done.is_set():
                after = max(store.read(ID, 0, 0).first - 1, 0)
                batches = page(store, ID, Filter(source="stdout"), after=after, offset=0, limit=5000).batches
                for batch in (store.read(ID, after, 50), *batches):
                    assert batch.messages == [f"line {seq - 1:06}" for seq in batch.seqs]
            writing.result()
        log.release()
        os.close(lock)


async def test_an_extension_that_was_refused_the_store_lets_the_server_end() -> None:
    await LogStream().stop_extension()


def test_a_store_whose_creator_was_killed_before_it_stored_the_layout_opens(root: Path) -> None:
    root.mkdir()
    (root / "layout").write_text("")
    with opened(root) as store:
        store.append(ID, [Record(0, 1e12, "info", "a", source="log")])
    assert (root / "layout").read_text() == "1\n"
    assert texts(root) == ["a"]
