"""Time prefixes; the page passes the same table (tests/vectors/time_prefixes.json)."""

from __future__ import annotations

import pytest
from support.vectors import vectors

from jupyter_logstream.text.time_prefix import without_time


@pytest.mark.parametrize(("line", "rest"), vectors("time_prefixes")["cases"])
def test_time_prefix_is_removed(line: str, rest: str) -> None:
    assert without_time(line) == rest
