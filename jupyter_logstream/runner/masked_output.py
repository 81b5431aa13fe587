"""Output of a child on its way to the log: masked, and retained while the disk is full. Runner; stdlib."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from ..store.disk.writer import LogWriter
from ..text.redactor import Redactor
from .disk_full import DISK_FULL, insist


class MaskedOutput:
    """Writes the output of `sources` to the log, with the secrets that `redactor` knows replaced.

    A possible beginning of a secret is held back until more output shows what it is. Bound: one chunk waits for disk
    space; while `is_blocked`, the caller reads no more, so that the child blocks and nothing is dropped.
    """

    def __init__(self, log: LogWriter, redactor: Redactor, sources: Iterable[str]) -> None:
        self._log = log
        self._redactors = {source: redactor.fork() for source in sources}
        self._unwritten: tuple[str, bytes, int] | None = None  # masked output that waits for disk space

    @property
    def is_blocked(self) -> bool:
        """Whether output waits for disk space; `retry` writes it."""
        return self._unwritten is not None

    def write(self, source: str, chunk: bytes, *, last: bool = False) -> bool:
        """Write a chunk; returns whether the last letters of an unfinished line are held back. OSError."""
        self._append(source, *self._mask(source, chunk, last=last))
        return self._redactors[source].holds_few

    def release(self) -> None:
        """Write the last letters of unfinished lines that are held back, since no more output comes. OSError."""
        for source, redactor in self._redactors.items():
            if not self.is_blocked:
                self._append(source, redactor.release(), 0)

    def flush(self, source: str) -> None:
        """Write what is held back as the possible beginning of a secret; wait for disk space. OSError."""
        tail = self._mask(source, b"", last=True)
        if tail[0]:
            insist(partial(self._log.write, source, *tail))

    def retry(self) -> bool:
        """Write what waits for disk space; returns whether there was enough. OSError."""
        if self._unwritten is not None:
            output, self._unwritten = self._unwritten, None
            self._append(*output)
        return not self.is_blocked

    def _append(self, source: str, output: bytes, masked: int) -> None:
        if not output:
            return
        try:
            self._log.write(source, output, masked)
        except OSError as error:
            if error.errno not in DISK_FULL:
                raise
            self._unwritten = source, output, masked

    def _mask(self, source: str, chunk: bytes, *, last: bool) -> tuple[bytes, int]:
        """The masked output and the number of secrets replaced in it. `last`: hold nothing back."""
        redactor = self._redactors[source]
        before = redactor.masked
        output = redactor.feed(chunk) + redactor.finish() if last else redactor.feed(chunk)
        return output, redactor.masked - before
