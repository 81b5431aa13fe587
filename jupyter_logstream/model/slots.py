"""Slots of dataclasses on the Pythons that have them: 3.10 and later. Any process; stdlib, no I/O.

The runner starts on Python 3.9, too, whose `dataclass` has no such parameter. There its values have a `__dict__`.
"""

from __future__ import annotations

import sys

SLOTS: dict[str, bool] = {"slots": True} if sys.version_info >= (3, 10) else {}
"""Keyword arguments of `dataclass`: `@dataclass(frozen=True, **SLOTS)`."""
