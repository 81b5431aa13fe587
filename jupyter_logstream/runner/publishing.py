"""Records that a workload's own processes publish into its log, over the runner's socket. Runner; stdlib.

A batch is stored whole or not at all, and answered then: a sender that waits for the answer cannot flood the runner.
Records name their step but begin and end none: the output does, and a record can arrive after the step's end.
"""

from __future__ import annotations

import json
from typing import Any

from ..model.protocol import now_ms
from ..model.spec import SpecError
from ..store.disk.notes import Notes
from ..store.disk.writer import LogWriter
from ..text.published import PublishedBatch, prepare
from ..text.published_tracebacks import PublishedTracebacks
from ..text.redactor import Redactor
from ..wire.runner_socket import MAX_PUBLISH_BYTES, MAX_PUBLISH_RECORDS, Connection, answer

_TRACEBACK = ""  # one log, one open traceback


class Publishing:
    """Stores batches of records in `log`, masked by `redactor`. Bound: one batch per connection waits."""

    def __init__(self, log: LogWriter, redactor: Redactor) -> None:
        self._log, self._redactor = log, redactor
        self._tracebacks = PublishedTracebacks()
        self._waiting: dict[Connection, PublishedBatch] = {}

    @property
    def is_waiting(self) -> bool:
        """Whether there is something to store."""
        return bool(self._waiting)

    def put(self, connection: Connection, data: bytes) -> None:
        """Check a batch; it waits for `store`, or is answered with the problem."""
        if connection in self._waiting:
            connection.send(answer("unanswered"))
            return
        if len(data) > MAX_PUBLISH_BYTES or data.count(b"\n") > MAX_PUBLISH_RECORDS:
            connection.send(answer("too_large"))
            return
        try:
            batch = prepare(_items(data), self._redactor, now_ms())
        except SpecError as error:
            connection.send(answer(str(error)))
        except (ValueError, RecursionError):
            connection.send(answer("invalid_json"))
        else:
            if batch.state is None:
                self._waiting[connection] = batch
            else:
                connection.send(answer("not_external"))

    def store(self) -> None:
        """Append what waits, in order of arrival, and answer. OSError: the disk is full; call it again."""
        for connection, batch in list(self._waiting.items()):
            records, traceback = self._tracebacks.spread(_TRACEBACK, batch.records, batch.guessed)
            if records:
                self._log.publish(Notes(records, marks_steps=False))
            self._tracebacks.keep(_TRACEBACK, traceback)
            del self._waiting[connection]
            connection.send(answer())


def _items(data: bytes) -> list[Any]:
    """The values of lines of JSON. Raises ValueError for what is not strict JSON in UTF-8, RecursionError."""
    items = [json.loads(line, parse_constant=_reject) for line in data.splitlines() if line]
    json.dumps(items, ensure_ascii=False, allow_nan=False).encode()  # fails on infinity and on a lone surrogate
    return items


def _reject(constant: str) -> Any:
    raise ValueError(f"{constant} is no number in JSON")
