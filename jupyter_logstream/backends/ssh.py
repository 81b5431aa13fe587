"""The ssh backend: workloads on a machine that the system's `ssh` reaches. Server.

`c.LogStream.backends = {"gpu1": {"type": "ssh", "host": "gpu1", ...}}`; the other keys of an entry are the arguments of
`ssh_backend`. The machine needs Python 3.9 or newer and a folder that can be written, nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..wire.delivery import Order
from .delivery import Target, deliver
from .places import SshHost
from .protocol import CannotLaunch, CannotReach, Check, Handle
from .remote import RemoteBackend
from .remote_checks import check_target

if TYPE_CHECKING:
    from .context import BackendContext
    from .pipe import Pipe

DEFAULT_FOLDER = "~/.cache/jupyter-logstream"


class SshBackend(RemoteBackend):
    """See the module."""

    supports = frozenset({"stdin", "tty", "timeout", "call", "files"})

    async def check(self) -> list[Check]:
        """Whether ssh reaches the machine, its Python is new enough and the folder there can be written."""
        return await check_target(self._target)

    async def _open(self, workload_id: str, handle: Handle) -> Pipe:
        try:
            return (await deliver(self._target_of(handle), Order("find", workload_id))).pipe
        except CannotLaunch as error:  # Python is gone, the folder cannot be read: users repair that
            raise CannotReach(str(error.strerror)) from None


def ssh_backend(
    name: str,
    context: BackendContext,
    *,
    host: str,
    python: str = "python3",
    folder: str = DEFAULT_FOLDER,
    setup: str = "",
    ssh_options: Sequence[str] = (),
) -> SshBackend:
    """The factory of type "ssh". ValueError for a value that `ssh` cannot take.

    `host`: as on the command line of `ssh`. `python`: the interpreter there, for the runner and for functions.
    `folder`: where workloads are stored there, for this user only. `setup`: shell commands before each command, such as
    "source ~/env/bin/activate". `ssh_options`: further arguments of `ssh`, such as ["-F", "/path/to/config"].
    """
    for setting, value in {"python": python, "folder": folder, "setup": setup}.items():
        if not isinstance(value, str) or "\0" in value or (setting != "setup" and not value.strip()):
            raise ValueError(f"{setting} must be a string")
    return SshBackend(name, context, Target(SshHost(host, ssh_options), python, folder), setup)
