"""Output of a log: drawn lines on a terminal, exact bytes into pipes and files, JSON lines. Command line."""

from __future__ import annotations

import os
import sys
from datetime import datetime, timezone
from itertools import groupby
from typing import TYPE_CHECKING, Any

from ..terminal import Printer
from .json_lines import write_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import BinaryIO

    from .selection import Target

Records = list[dict[str, Any]]

OUTPUT_SOURCES = frozenset({"stdout", "stderr"})
"""Sources whose bytes a download has."""


class JsonOutput:
    """Records as JSON lines, as docs/protocol.md defines them."""

    def print(self, kind: str, data: Mapping[str, Any]) -> None:
        """Print the records of one frame; a gap is reported on standard error."""
        if kind == "logs" and data["logs"]:
            write_json(data["logs"])
        elif kind == "gap":
            self.remark(f"lines {data['from']} to {data['to']} are gone ({data['reason']})")

    def remark(self, text: str) -> None:
        """See Output."""
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


class ExactOutput:
    """Whole logs: on a terminal as Printer draws them; into a pipe or file the bytes as the workload wrote them.

    The bytes of a frame's records come from the download, one source at a time, so standard output and standard error
    get exactly what was written there; where both are one file, lines keep their order of arrival. Published records
    are lines of standard output, the server's own remarks lines of standard error.
    """

    def __init__(self, target: Target) -> None:
        self._target, self._printer = target, Printer(sys.stdout, sys.stderr, names_omitted=False)
        self._joined = os.path.sameopenfile(sys.stdout.fileno(), sys.stderr.fileno())
        self._terminals = (sys.stdout.isatty(), sys.stderr.isatty())

    def print(self, kind: str, data: Mapping[str, Any]) -> None:
        """Print one frame."""
        if kind != "logs" or all(self._terminals):
            self._printer.print(kind, data)
            return
        if self._joined and not any(self._terminals):
            self._copy(data["logs"], sys.stdout.buffer, lambda record: record.get("source") in OUTPUT_SOURCES)
            return
        of_errors = [record for record in data["logs"] if record.get("source") in {"stderr", "system"}]
        of_output = [record for record in data["logs"] if record.get("source") not in {"stderr", "system"}]
        for records, is_terminal, file in zip(
            (of_output, of_errors), self._terminals, (sys.stdout, sys.stderr), strict=True
        ):
            if is_terminal:
                self._printer.print(kind, {"logs": records})
            else:
                self._copy(records, file.buffer, lambda record: record.get("source"))

    def remark(self, text: str) -> None:
        """See Output."""
        self._printer.remark(text)

    def _copy(self, records: Records, file: BinaryIO, key: Any) -> None:
        """Write the bytes of adjacent records with the same `key`, which is a source, or True for both outputs."""
        for source, group in groupby(records, key):
            found = list(group)
            if source is True or source in OUTPUT_SOURCES:
                file.write(self._download(found, None if source is True else source))
            else:
                file.writelines(f"{record['message']}\n".encode("utf-8", "replace") for record in found)
        file.flush()

    def _download(self, records: Sequence[Mapping[str, Any]], source: str | None) -> bytes:
        params = {"after": records[0]["seq"] - 1, "last": records[-1]["seq"]}
        if source is not None:
            params["source"] = source
        return self._target.source.request("GET", self._target.id, "/log.txt", params=params).content


class LineOutput:
    """Lines as text: on a terminal in colour, else plain. `timestamps`: begin each with its time in UTC."""

    def __init__(self, *, timestamps: bool) -> None:
        self._printer, self._timestamps = Printer(sys.stdout, sys.stderr, names_omitted=False), timestamps

    def print(self, kind: str, data: Mapping[str, Any]) -> None:
        """Print one frame."""
        if kind == "logs" and self._timestamps:
            data = {**data, "logs": [_timed(record) for record in data["logs"]]}
        self._printer.print(kind, data)

    def remark(self, text: str) -> None:
        """See Output."""
        self._printer.remark(text)


def _timed(record: Mapping[str, Any]) -> dict[str, Any]:
    time = datetime.fromtimestamp(record["ts"] / 1000, timezone.utc)
    text = time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {**record, "message": f"{text} {record['message']}"}
