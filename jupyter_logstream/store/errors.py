"""Errors that every store raises. Server and runner."""

from __future__ import annotations

import errno


class UnknownStream(KeyError):
    """The stream does not exist, or it was dropped."""

    def __str__(self) -> str:
        return f"there is no stream {self.args[0]}"


class StreamEnded(ValueError):
    """The stream was ended; nothing can be appended."""


class NotWriter(ValueError):
    """Another process writes this stream. A stream has one writer at a time."""


class BadIndex(ValueError):
    """The index of a log is damaged or does not match the bytes of the log."""


class Unreadable(BadIndex):
    """The files of a log cannot be read: an I/O error, no free descriptor, or a file of the wrong type."""

    @property
    def is_temporary(self) -> bool:
        """Whether the system lacks a resource (descriptors, memory): the log is sound and a retry can succeed."""
        cause = self.__cause__
        return isinstance(cause, OSError) and cause.errno in {errno.EMFILE, errno.ENFILE, errno.ENOMEM}

    @property
    def is_foreign(self) -> bool:
        """Whether a link, a pipe or a folder is in the place of a file: a repair quarantines it."""
        cause = self.__cause__
        return isinstance(cause, OSError) and cause.errno in {errno.ELOOP, errno.EISDIR, errno.ESPIPE, errno.ENXIO}
