"""Summary of a function's result, for the final status. Runner; stdlib, never loads a pickle."""

from __future__ import annotations

import os
from typing import Any, Optional

from ..store.disk.files import open_regular
from ..store.disk.folder import Folder
from ..wire.envelope import BadEnvelope, read_header

_MAX_TEXT_CHARS = 200


def result_summary(folder: Folder) -> Optional[dict[str, Any]]:  # noqa: UP045 - the runner's Python 3.9
    """`kind`, `type`, `repr` and `bytes` of the result that the process wrote; None if it wrote none."""
    try:
        with open_regular(folder.result) as file:
            header, size = read_header(file), os.fstat(file.fileno()).st_size
    except (OSError, ValueError, BadEnvelope):
        return None
    return {**{name: str(header.get(name, ""))[:_MAX_TEXT_CHARS] for name in ("kind", "type", "repr")}, "bytes": size}
