"""Which log store a starting server of one user opens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_logstream.server.store_choice import Owner, choose, hub_place, write_owner
from jupyter_logstream.store.disk.file_store import FileStore

if TYPE_CHECKING:
    from pathlib import Path

HOME = "/home/ann"


def open_and_close(stores: Path, owner: Owner) -> str:
    """The number of the store that a server of this owner opens while no other server runs."""
    store = choose(stores, owner, FileStore)
    write_owner(store.root, owner)
    store.close()
    return store.root.name


def test_named_servers_of_a_hub_find_their_own_stores_in_any_start_order(tmp_path: Path) -> None:
    default, gpu = Owner(HOME, hub_place("")), Owner(HOME, hub_place("gpu"))
    assert [open_and_close(tmp_path, owner) for owner in (default, gpu, gpu, default, gpu)] == ["1", "2", "2", "1", "2"]


def test_a_store_of_a_hub_that_an_earlier_version_wrote_is_continued(tmp_path: Path) -> None:
    assert open_and_close(tmp_path, Owner(HOME, None)) == "1"
    assert open_and_close(tmp_path, Owner(HOME, hub_place(""))) == "1"
    assert open_and_close(tmp_path, Owner(HOME, hub_place("gpu"))) == "2"


def test_a_server_with_another_port_continues_the_store_of_its_folder(tmp_path: Path) -> None:
    assert [open_and_close(tmp_path, Owner(HOME, port)) for port in (8888, 8889)] == ["1", "1"]
    assert open_and_close(tmp_path, Owner("/home/ann/project", 8888)) == "2"
