"""Homes with a server, shared by the tests of the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.cli import Cli, with_jupyter_server, with_private_server

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(params=["private", "jupyter"])
def cli(request: pytest.FixtureRequest) -> Cli:
    """The command line beside a private server, and beside a Jupyter server with a login and a base URL."""
    made: Cli = request.getfixturevalue(request.param)
    return made


@pytest.fixture(scope="session")
def private(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """The command line beside a private server."""
    yield from with_private_server(tmp_path_factory.mktemp("private") / "home")


@pytest.fixture(scope="session")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """The command line beside a Jupyter server."""
    yield from with_jupyter_server(tmp_path_factory.mktemp("jupyter") / "home")
