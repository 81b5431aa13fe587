"""Functions of a test as a notebook has them. Test support."""

from __future__ import annotations

from typing import Any


def by_value(function: Any) -> Any:
    """The function as a notebook has it: a test module cannot be imported in the workload's process."""
    function.__module__ = "__main__"
    return function


@by_value
def square(x: int) -> int:
    print("squaring", x)  # noqa: T201 - its output
    return x * x
