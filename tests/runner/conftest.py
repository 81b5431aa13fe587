"""Every test of this folder runs with a clean environment; those that follow files, in a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.environment import own_environment

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["own_environment"]


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """The folder in which files are followed."""
    folder = tmp_path / "logs"
    folder.mkdir()
    return folder
