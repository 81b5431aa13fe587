"""A real server for the tests of a file, and nothing of it left behind. Tests that end it start it again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.running import kill_runners
from support.serving import Server, jupyter


@pytest.fixture(autouse=True)
def jp_server_cleanup() -> None:
    """Not here: no server of this process is made."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Jupyter server; what runs in it when a test begins is another test's."""
    folder = tmp_path_factory.mktemp("canary")
    try:
        with jupyter(folder, options=("--LogStream.cancel_grace=1",)) as made:
            yield made
    finally:
        kill_runners(folder)
