"""A clean environment for every test of a folder whose conftest imports this fixture. Test support."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def own_environment() -> Iterator[None]:
    """Remove the server's address from the environment, so that no test inherits another one's."""
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith(("JUPYTER_", "JPY_")) or name == "PYTHONUNBUFFERED"]:
        del os.environ[name]
    os.environ["JUPYTER_LOGSTREAM_PRIVATE"] = "0"  # no test starts a server in the real home folder by accident
    yield
    os.environ.clear()
    os.environ.update(before)
