"""The watcher fits the file system: inotify on local ones, polling on network ones."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from support.on_disk import ID, folder_of, opened
from support.waiting import PATIENCE

from jupyter_logstream.store.disk import file_store
from jupyter_logstream.store.disk.filesystem import file_system_type, is_network_file_system
from jupyter_logstream.store.disk.watch import Inotify, Poller, watcher
from jupyter_logstream.store.disk.writer import LogWriter

MOUNTS = r"""22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/root rw
30 22 0:26 / /home rw,relatime shared:2 - nfs4 server:/home rw,vers=4.2
31 30 0:27 / /home/ada/scratch rw - lustre 10.0.0.1@tcp:/scratch rw
32 30 0:28 / /home/with\040space rw - fuse.sshfs user@host: rw
33 22 0:29 / /mnt/both rw - ext4 /dev/sdb1 rw
34 33 0:30 / /mnt/both rw - cifs //server/share rw
a line of another format
"""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/var/lib", "ext4"),
        ("/home", "nfs4"),
        ("/home/ada", "nfs4"),
        ("/home/ada/scratch/logs", "lustre"),
        ("/home/ada/scratch2", "nfs4"),
        ("/home/with space/x", "fuse.sshfs"),
        ("/homeless", "ext4"),
        ("/mnt/both/x", "cifs"),
    ],
)
def test_the_type_is_that_of_the_innermost_and_last_mount(tmp_path: Path, path: str, expected: str) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)
    assert file_system_type(Path(path), mounts) == expected


def test_without_mountinfo_the_type_is_unknown(tmp_path: Path) -> None:
    assert file_system_type(tmp_path, tmp_path / "absent") == ""


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("ext4", False), ("xfs", False), ("overlay", False), ("", False), ("nfs", True), ("fuse", True),
     ("fuse.sshfs", True), ("lustre", True), ("9p", True)],
)  # fmt: skip
def test_network_file_systems_are_known_by_type(monkeypatch: pytest.MonkeyPatch, kind: str, expected: bool) -> None:
    monkeypatch.setattr("jupyter_logstream.store.disk.filesystem.file_system_type", lambda _: kind)
    assert is_network_file_system(Path("/x")) is expected


async def test_a_network_file_system_is_polled(tmp_path: Path) -> None:
    assert isinstance(watcher(tmp_path, lambda _: True), Poller)


async def test_a_local_file_system_is_watched_by_inotify(tmp_path: Path) -> None:
    made = watcher(tmp_path, lambda _: False)
    assert isinstance(made, Inotify)
    made.close()


async def test_a_store_on_a_network_file_system_wakes_its_readers(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_store, "watcher", lambda folder: watcher(folder, lambda _: True))
    log = LogWriter(folder_of(root))
    with opened(root) as store:
        changed = asyncio.Event()
        unwatch = store.watch(ID, changed.set)
        log.write("stdout", b"a line\n")
        await asyncio.wait_for(changed.wait(), PATIENCE)
        unwatch()
    log.release()
