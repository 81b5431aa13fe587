"""Real engines on loopback: an ssh server of its own per file, and a Slurm cluster of one node."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.elsewhere import Elsewhere
from support.environment import own_environment
from support.process_table import kill_with_argument
from support.sshd import SSHD, sshd

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator

    from support.sshd import Sshd

__all__ = ["own_environment"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("engines")


@pytest.fixture(scope="module")
def gpu1(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """A machine that `ssh gpu1` reaches, with the client configuration `gpu1.config`."""
    if not Path(SSHD).exists():
        pytest.skip("OpenSSH's server is not installed: workloads over ssh are not tested")
    folder = tmp_path_factory.mktemp("gpu1")
    with sshd(folder) as server:
        yield server
    kill_with_argument(str(folder))


@pytest.fixture
def over_ssh(gpu1: Sshd, tmp_path: Path, jp_asyncio_loop: asyncio.AbstractEventLoop) -> Iterator[Callable[..., Any]]:
    """`over_ssh(python=...)`: an engine whose backend `gpu1` is that machine; further settings are the backend's."""
    started: list[Elsewhere] = []

    def start(**settings: Any) -> Elsewhere:
        entry = {"type": "ssh", "host": "gpu1", "folder": str(tmp_path / "there"), "ssh_options": gpu1.options}
        server = Elsewhere(tmp_path / "store", "gpu1", {**entry, **settings})
        started.append(server)
        return server

    yield start
    for server in started:
        jp_asyncio_loop.run_until_complete(server.stop())
    kill_with_argument(str(tmp_path))
    shutil.rmtree(tmp_path / "there", ignore_errors=True)
