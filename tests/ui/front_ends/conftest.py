"""A home without a Jupyter server: kernels of the programs in it start a private log server, which no page reaches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.private_home import Home, new_home

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    yield from new_home(tmp_path_factory.mktemp("home"))
