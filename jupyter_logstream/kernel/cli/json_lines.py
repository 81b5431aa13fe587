"""JSON lines of workloads and records on standard output. Command line."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable


def write_json(values: Iterable[Any]) -> None:
    """Write one JSON object a line, and flush. On a terminal only ASCII, as U+009B and others would act on it."""
    is_ascii = sys.stdout.isatty()
    sys.stdout.writelines(f"{json.dumps(value, ensure_ascii=is_ascii)}\n" for value in values)
    sys.stdout.flush()
