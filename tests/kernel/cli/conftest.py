"""Homes with a server, shared by the tests of the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.cli import Cli, with_jupyter_server, with_private_server

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVERS = {"private": with_private_server, "jupyter": with_jupyter_server}


@pytest.fixture(scope="module", params=SERVERS)
def cli(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """The command line beside a private server, and beside a Jupyter server with token login and a base URL."""
    yield from SERVERS[request.param](tmp_path_factory.mktemp(request.param) / "home")


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """The command line beside a private server."""
    yield from with_private_server(tmp_path_factory.mktemp("private") / "home")


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """The command line beside a Jupyter server."""
    yield from with_jupyter_server(tmp_path_factory.mktemp("jupyter") / "home")
