"""Adoption of log stores whose server is gone, until it returns. Server; one per server.

Workloads of a server that ended, or was killed, are served, cancelled and swept by another server of the same user.
When their own server starts again, it claims its store and gets it back within about a second. The mark of adoption
stays until a server opens the store: without it, a server that waits for the lock would choose another store.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ..store.disk.file_store import FileStore
from ..store.disk.ownership import StoreInUse, WrongLayout
from .engine import Engine
from .store_choice import is_claimed, mark_adopted, numbered

_CLAIM_INTERVAL_S = 0.25
_SEARCH_INTERVAL_S = 5.0


class Adoption:
    """Adopts the stores in the folder `stores` that no server uses.

    `publish`: writes our address into a store, and returns what puts back the address that was there.

    Bound: the number of stores of one user.
    """

    def __init__(
        self,
        stores: Path,
        store: FileStore,
        engine: Engine,
        publish: Callable[[Path], Callable[[], None]],
        log: logging.Logger,
    ) -> None:
        self._stores, self._store, self._engine = stores, store, engine
        self._publish, self._log = publish, log
        self._adopted: dict[Path, tuple[list[str], Callable[[], None]]] = {}  # ids, and what undoes `publish`
        self._searched = float("-inf")

    async def run(self) -> None:
        """Adopt and give back, forever."""
        while True:
            self.poll()
            await asyncio.sleep(_CLAIM_INTERVAL_S)

    def poll(self) -> None:
        """Give back the stores that are claimed, and at intervals adopt those without a server."""
        claimed = [root for root in self._adopted if is_claimed(root)]
        for root in claimed:
            self._give_back(root)
        if time.monotonic() - self._searched >= _SEARCH_INTERVAL_S:
            self._searched = time.monotonic()
            for root in numbered(self._stores):
                if root != self._store.root and root not in self._adopted and root not in claimed:
                    with suppress(StoreInUse, WrongLayout, OSError):
                        self._adopt(root)

    def close(self) -> None:
        """The stores are closed with our own: any server can use them."""
        for _, restore_address in self._adopted.values():
            with suppress(OSError):
                restore_address()

    def _adopt(self, root: Path) -> None:
        ids = self._store.adopt(root)
        try:
            mark_adopted(root)
            self._adopted[root] = ids, self._publish(root)
        except OSError:
            self._store.give_back(root)
            raise
        self._engine.load(ids)
        self._log.info("Serving the %d workloads of the log store %s, whose server is gone", len(ids), root)

    def _give_back(self, root: Path) -> None:
        self._log.info("Giving back the log store %s to its server, which has started", root)
        ids, restore_address = self._adopted.pop(root)
        self._engine.unload(ids)
        with suppress(OSError):
            restore_address()
        self._store.give_back(root)
