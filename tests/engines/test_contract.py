"""Workloads over ssh, in Slurm and on Ray keep the contract of all backends."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest
from support.backend_contract import BackendContract
from support.dial_server import dial_server
from support.process_table import kill_with_argument
from support.workbench import Workbench

from jupyter_logstream.backends.configured import make_backends

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator
    from pathlib import Path

    from support.ray_cluster import RayCluster
    from support.slurm_cluster import SlurmCluster
    from support.sshd import Sshd

    from jupyter_logstream.backends.context import BackendContext
    from jupyter_logstream.backends.protocol import Backend

pytestmark = pytest.mark.slow


def workbench(
    root: Path, loop: asyncio.AbstractEventLoop, entry: dict[str, Any], **settings: Any
) -> Iterator[Workbench]:
    """A bench with the backend of a configuration entry."""

    def make(context: BackendContext) -> Backend:
        backends, problems = make_backends({"there": {"folder": str(root / "there"), **entry}}, context)
        assert not problems, problems
        return backends["there"]

    made = Workbench(root, make, **settings)
    yield made
    loop.run_until_complete(made.close())
    kill_with_argument(str(root))
    shutil.rmtree(root / "there", ignore_errors=True)


class TestOverSsh(BackendContract):
    """On a machine that ssh reaches."""

    @pytest.fixture
    def bench(self, gpu1: Sshd, tmp_path: Path, jp_asyncio_loop: asyncio.AbstractEventLoop) -> Iterator[Workbench]:
        entry = {"type": "ssh", "host": "gpu1", "ssh_options": gpu1.options}
        yield from workbench(tmp_path, jp_asyncio_loop, entry)


class TestInSlurm(BackendContract):
    """As jobs of a cluster."""

    @pytest.fixture
    def bench(
        self,
        slurm: SlurmCluster,
        tmp_path: Path,
        jp_asyncio_loop: asyncio.AbstractEventLoop,
        monkeypatch: pytest.MonkeyPatch,
    ) -> Iterator[Workbench]:
        for name, value in slurm.env.items():
            monkeypatch.setenv(name, value)
        entry = {"type": "slurm", "partition": "main", "options": {"mem": "50"}}
        yield from workbench(tmp_path, jp_asyncio_loop, entry)
        slurm.end_jobs()


@pytest.mark.large
@pytest.mark.ray
class TestOnRay(BackendContract):
    """As jobs of a Ray cluster, whose runners connect to a server of this process."""

    @pytest.fixture
    def bench(self, ray: RayCluster, tmp_path: Path, jp_asyncio_loop: asyncio.AbstractEventLoop) -> Iterator[Workbench]:
        made: list[Workbench] = []
        with dial_server(ray.here, lambda: made[0].backend.dial_in) as url:  # type: ignore[attr-defined]
            entry = {"type": "ray", "address": ray.address, "python": ray.python}
            for bench in workbench(tmp_path, jp_asyncio_loop, entry, public_url=lambda _: url):
                made.append(bench)
                yield bench
