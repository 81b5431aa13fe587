"""Choice of a server's own log store among those of its user. Server; at start only.

Several servers of one user can run at once; each has a store of its own, `logstream/1`, `logstream/2` ... A store
records its owner, the root folder and the port of its server, so each server finds its store again in any start order.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from ..store.disk.file_store import FileStore
from ..store.disk.files import is_folder, is_own, read_json, replace_file, write_json
from ..store.disk.ownership import StoreInUse
from .address_file import read_host

MAX_STORES = 1000
_HUB = "jupyterhub:"
_OWNER_FILE = "owner.json"
_CLAIM_FILE, _ADOPTED_FILE = "claim", "adopted"
_CLAIM_TIMEOUT_S = 5.0
_CLAIM_POLL_S = 0.05


class Owner(NamedTuple):
    """Who a store belongs to.

    `port`: the server's port or socket; under JupyterHub, which gives it another at every start, `hub_place` instead;
    None in stores that an earlier version has written there.
    """

    root: str
    port: int | str | None

    def may_succeed(self, other: Owner | None) -> bool:
        """Whether a server can continue the store of another one: of the same folder, and no other server of a hub."""
        both = self.port, other.port if other else None
        two_of_a_hub = all(isinstance(port, str) and port.startswith(_HUB) for port in both)
        return other is not None and other.root == self.root and not two_of_a_hub


def hub_place(server_name: str) -> str:
    """What the store of a user's server on JupyterHub is found by; "" is the default server."""
    return f"{_HUB}{server_name}"


def choose(stores: Path, owner: Owner, open_store: Callable[[Path], FileStore]) -> FileStore:
    """Open the store of this owner, or one that it may succeed and that no server uses, or an unowned or new one.

    One that another server has adopted is claimed back. Raises StoreInUse, and what `open_store` raises.
    """
    roots = numbered(stores)
    owners = {root: read_owner(root) for root in roots}
    exact = [root for root in roots if owners[root] == owner]
    same_root = [root for root, other in owners.items() if root not in exact and owner.may_succeed(other)]
    same_root.sort(key=lambda root: -_last_use(root))
    for root in [*exact, *same_root, *(root for root in roots if owners[root] is None)]:
        if (store := _claim(root, open_store)) is not None:
            return store
    for number in range(1, MAX_STORES):
        if not os.path.lexists(stores / str(number)):
            with suppress(StoreInUse):
                return open_store(stores / str(number))
    raise StoreInUse(f"{MAX_STORES} servers of this user have a log store")


def choose_private(stores: Path, open_store: Callable[[Path], FileStore]) -> FileStore:
    """Open the first store that no server uses, also one with an owner, which claims it when it starts.

    Raises StoreInUse if a server of this machine uses the first one: clients use that server.
    """
    for number in range(1, MAX_STORES):
        root = stores / str(number)
        try:
            store = open_store(root)
        except StoreInUse:
            if read_host(root) == os.uname().nodename:
                raise
            continue  # home folders can be shared by machines; a socket cannot
        mark_adopted(root)
        return store
    raise StoreInUse(f"{MAX_STORES} servers of this user have a log store")


def open_configured(root: Path, open_store: Callable[[Path], FileStore], *, private: bool) -> FileStore:
    """Open the store that the configuration names; a private server gives it to a Jupyter server. Raises StoreInUse."""
    if private:
        store = open_store(root)
        mark_adopted(root)
        return store
    if (claimed := _claim(root, open_store)) is None:
        raise StoreInUse(f"another server uses the log store {root}")
    return claimed


def write_pointer(stores: Path, root: Path) -> None:
    """Let processes that no Jupyter server started find the store of this machine's private server. OSError."""
    replace_file(stores / f"private-{os.uname().nodename}", os.fsencode(root))


def numbered(stores: Path) -> list[Path]:
    """The stores of this user, by number."""
    names = [name for name in os.listdir(stores) if name.isdecimal()] if is_folder(stores) else []
    return [stores / name for name in sorted(names, key=int) if is_folder(stores / name)]


def read_owner(root: Path) -> Owner | None:
    """The owner of a store; None if it has none, as stores of earlier versions."""
    try:
        value: dict[str, Any] = read_json(root / _OWNER_FILE)
        return Owner(str(value["root"]), value["port"])
    except (OSError, ValueError, KeyError):
        return None


def write_owner(root: Path, owner: Owner) -> None:
    """Record the owner of a store. OSError."""
    write_json(root / _OWNER_FILE, owner._asdict())


def is_claimed(root: Path) -> bool:
    """Whether the owner of an adopted store has returned and waits for it."""
    return is_own(root / _CLAIM_FILE)


def mark_adopted(root: Path) -> None:
    """Record that a server uses a store that it gives back to its owner. OSError."""
    (root / _CLAIM_FILE).unlink(missing_ok=True)
    write_json(root / _ADOPTED_FILE, {"pid": os.getpid()})


def _claim(root: Path, open_store: Callable[[Path], FileStore]) -> FileStore | None:
    """Open a store; if another server has adopted it, wait until it is given back. None if it is in use."""
    deadline = time.monotonic() + _CLAIM_TIMEOUT_S
    while True:
        with suppress(StoreInUse):
            store = open_store(root)
            with suppress(OSError):  # a read-only disk: the store is served as it is
                (root / _ADOPTED_FILE).unlink(missing_ok=True)
                (root / _CLAIM_FILE).unlink(missing_ok=True)
            return store
        if not is_own(root / _ADOPTED_FILE) or time.monotonic() > deadline:
            return None
        with suppress(OSError):  # without the claim it is given back when the other server stops
            write_json(root / _CLAIM_FILE, {"pid": os.getpid()})
        time.sleep(_CLAIM_POLL_S)


def _last_use(root: Path) -> float:
    try:
        return os.stat(root / _OWNER_FILE).st_mtime
    except OSError:
        return 0.0
