"""Connections that runners open to this server: tokens, admission, and hand-over to the mirror. Server; no HTTP.

A token gives one runner access to the mirror of its workload, and to nothing else. It is stored in the workload's
folder (0600), so that the runner can reconnect to the next server, until the workload has ended.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections.abc import Callable
from typing import Literal, Protocol, runtime_checkable

from ..store.disk.files import is_folder, read_file, replace_file
from ..store.disk.folder import Folder
from .pipe import Pipe
from .protocol import CannotReach

TOKEN_FILE = "token"  # noqa: S105 - a file's name
_TOKEN_BYTES = 32
_ENDED, _REPLACED = b" ended", b" replaced"
_FIRST_WAIT_S = 3.0

Admission = Literal["yes", "later", "ended", "replaced", "no"]
"""`later`: the workload is not expected yet. `ended`: it has ended, also before its start. `replaced`: its log comes
from its engine instead. `no`: a wrong token."""


class _Slot:
    """The connections of a workload: the one that its mirror uses, and a newer one."""

    def __init__(self) -> None:
        self.current: Pipe | None = None
        self.next: Pipe | None = None
        self.arrived = asyncio.Event()
        self.was_reported = False  # that none has come


class DialIn:
    """See the module. `folder_of`: the folder of a workload. Bound: two connections per expected workload."""

    def __init__(self, folder_of: Callable[[str], Folder]) -> None:
        self._folder_of = folder_of
        self._slots: dict[str, _Slot] = {}

    # --- tokens -------------------------------------------------------------------------------------------------------

    def token(self, workload_id: str) -> str:
        """The token of a workload, created at the first call. OSError."""
        path = self._folder_of(workload_id).path / TOKEN_FILE
        try:
            return read_file(path).partition(b" ")[0].decode()
        except FileNotFoundError:
            token = secrets.token_urlsafe(_TOKEN_BYTES)
            replace_file(path, token.encode())
            return token

    def admits(self, workload_id: str, token: str) -> Admission:
        """Whether a runner with this token can connect now. Compares in constant time."""
        try:
            stored = read_file(self._folder_of(workload_id).path / TOKEN_FILE)
        except (OSError, ValueError):
            stored = b""
        expected = stored.partition(b" ")[0] or secrets.token_bytes(_TOKEN_BYTES)
        if not hmac.compare_digest(token.encode(), expected):
            return "no"
        if b" " in stored:
            return "ended" if stored.endswith(_ENDED) else "replaced"
        return "yes" if workload_id in self._slots else "later"

    def end(self, workload_id: str, *, replaced: bool = False) -> None:
        """Accept nothing more from the runner of a workload. `replaced`: its log comes from its engine. OSError."""
        folder = self._folder_of(workload_id)
        if is_folder(folder.path):
            replace_file(
                folder.path / TOKEN_FILE, self.token(workload_id).encode() + (_REPLACED if replaced else _ENDED)
            )

    # --- connections --------------------------------------------------------------------------------------------------

    def expect(self, workload_id: str) -> None:
        """Accept connections of a workload's runner from now on."""
        self._slots.setdefault(workload_id, _Slot())

    async def release(self, workload_id: str) -> None:
        """Accept no connection until the workload is expected again."""
        if (slot := self._slots.pop(workload_id, None)) and slot.next is not None:
            await slot.next.close()

    async def connected(self, workload_id: str, pipe: Pipe) -> None:
        """A runner has connected: this connection replaces the one before, which can be broken unnoticed."""
        slot = self._slots.get(workload_id)
        if slot is None:  # meanwhile
            await pipe.close()
            return
        older, slot.next = [slot.current, slot.next], pipe
        slot.arrived.set()
        for one in older:
            if one is not None:
                await one.close()

    def has_arrived(self, workload_id: str) -> bool:
        """Whether a connection of the runner waits or is in use."""
        slot = self._slots.get(workload_id)
        return slot is not None and (slot.next is not None or slot.current is not None)

    async def arrival(self, workload_id: str) -> None:
        """Return when a connection waits for `next_pipe`."""
        await self._slots[workload_id].arrived.wait()

    async def next_pipe(self, workload_id: str) -> Pipe:
        """The next connection of a workload's runner.

        Raises CannotReach once if none comes within _FIRST_WAIT_S, so that this is reported; then it waits for one.
        """
        slot = self._slots.setdefault(workload_id, _Slot())
        slot.current = None
        try:
            await asyncio.wait_for(slot.arrived.wait(), None if slot.was_reported else _FIRST_WAIT_S)
        except asyncio.TimeoutError:
            slot.was_reported = True
            raise CannotReach("its runner has not connected to this server") from None
        slot.was_reported = False
        slot.arrived.clear()
        slot.current, slot.next = slot.next, None
        if slot.current is None:
            raise CannotReach("its runner has disconnected")
        return slot.current


@runtime_checkable
class HasDialIn(Protocol):
    """A backend whose runners connect to this server."""

    dial_in: DialIn
