"""Export of a workload's log to a file, formatted by the server. Runs in kernels, in user code.

The file appears under its name when it is complete: until then it is a hidden one beside it.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .source import LogSource

SUFFIXES = (".parquet", ".jsonl", ".html", ".txt")
"""What the name of an exported file can end with; the server's name of the format is the same without the dot."""


def export(source: LogSource, workload_id: str, path: str | os.PathLike[str], params: Mapping[str, Any]) -> Path:
    """Write the log to `path`, replacing a file there. See WorkloadHandle.export."""
    target = Path(path).expanduser()
    if target.suffix.lower() not in SUFFIXES:
        raise ValueError(
            f"the file's name must end in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}, not {target.name!r}"
        )
    draft = target.with_name(f".{target.name[:100]}.{secrets.token_hex(4)}.part")
    try:
        with draft.open("xb") as file:
            source.save(workload_id, {"format": target.suffix.lower()[1:], **params}, file)
        draft.replace(target)
    except BaseException as error:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is not None:
            error.filename, error.filename2 = str(target), None  # users know no draft
        raise
    return target
