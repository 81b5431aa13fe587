"""Fixtures: Docker and podman, and benches of backends that use them. Test support.

An engine serves all tests of a file. It is repaired after each of them, so that a test can kill its daemon.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from support.docker_daemon import CannotRun, Docker, Podman, engine, missing
from support.process_table import kill_with_argument
from support.workbench import Workbench

from jupyter_logstream.backends.configured import make_backends

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from jupyter_logstream.backends.context import BackendContext
    from jupyter_logstream.backends.protocol import Backend


@pytest.fixture(scope="module")
def docker() -> Iterator[Docker]:
    """A Docker daemon with two images."""
    yield from _started(Docker)


@pytest.fixture(scope="module")
def podman() -> Iterator[Docker]:
    """Podman with the same."""
    yield from _started(Podman)


@pytest.fixture(params=["docker", pytest.param("podman", marks=pytest.mark.large)])
def box(request: pytest.FixtureRequest) -> Docker:
    """Each of them in turn."""
    found: Docker = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def in_box(
    box: Docker, tmp_path: Path, jp_asyncio_loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Workbench]]:
    """`in_box(image=...)`: a bench of a backend with that engine."""
    yield from benches(box, tmp_path, jp_asyncio_loop, monkeypatch)


@pytest.fixture
def in_docker(
    docker: Docker, tmp_path: Path, jp_asyncio_loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Workbench]]:
    """The same with Docker only."""
    yield from benches(docker, tmp_path, jp_asyncio_loop, monkeypatch)


@pytest.fixture
def in_podman(
    podman: Docker, tmp_path: Path, jp_asyncio_loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Workbench]]:
    """The same with podman only."""
    yield from benches(podman, tmp_path, jp_asyncio_loop, monkeypatch)


def benches(
    engine: Docker, root: Path, loop: asyncio.AbstractEventLoop, patch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Workbench]]:
    """A function that starts benches in `root`; what they leave is removed, and the engine repaired."""
    made: list[Workbench] = []
    for name, value in engine.env.items():
        patch.setenv(name, value)

    def start(**settings: Any) -> Workbench:
        def make(context: BackendContext) -> Backend:
            backends, problems = make_backends({"box": {**engine.entry, **settings}}, context)
            assert not problems, problems
            return backends["box"]

        made.append(Workbench(root, make))
        return made[-1]

    yield start
    for bench in made:
        loop.run_until_complete(bench.close())
    kill_with_argument(str(root))
    engine.repair()
    shutil.rmtree(root, ignore_errors=True)


def _started(kind: type[Docker]) -> Iterator[Docker]:
    if problem := missing(kind.program):
        _not_run(kind, problem)
    try:
        with engine(kind) as found:
            yield found
    except CannotRun as error:
        _not_run(kind, str(error))


def _not_run(kind: type[Docker], problem: str) -> NoReturn:
    """Skip the tests; `make test-engines`, which installs the engines for root, fails instead."""
    text = f"{kind.program} cannot run here: {problem}"
    if os.environ.get("ENGINES_MUST_RUN") and os.geteuid() == 0:
        pytest.fail(text)
    pytest.skip(text)
