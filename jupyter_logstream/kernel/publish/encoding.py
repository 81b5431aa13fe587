"""Encoding of published records: one line of masked JSON each. Runs in kernels, workloads and scripts; no I/O.

This file must not know where lines go.
"""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

from ...model.protocol import now_ms
from ...text.redactor import Redactor, secret_values

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_MESSAGE_CHARS = 1 << 18
"""Longer messages are truncated; their reader splits them into records of 64 KiB."""

SECRETS_REFRESH_S = 1.0  # between scans of the environment for new secrets


class Encoder:
    """Masks values of the environment's secrets, which can change at any time. `line` needs one thread at a time."""

    def __init__(self) -> None:
        self._redactor, self._secrets = Redactor(), list[bytes]()
        self._secrets_read = float("-inf")

    def mask(self, text: str) -> str:
        """The text without secrets."""
        if time.monotonic() - self._secrets_read > SECRETS_REFRESH_S:
            secrets = secret_values(os.environ)
            if secrets != self._secrets:
                self._redactor, self._secrets = Redactor(secrets), secrets
            self._secrets_read = time.monotonic()
        return self._redactor.mask(text)

    def line(
        self, message: str, level: str | None, ts: float | None, step: str | None, fields: Mapping[str, Any] | None
    ) -> bytes:
        """A record; see `Outbox.put`. Raises ValueError for fields that are not JSON."""
        if len(message) > MAX_MESSAGE_CHARS:
            message = f"{message[:MAX_MESSAGE_CHARS]}... ({len(message) - MAX_MESSAGE_CHARS} more characters)"
        record: dict[str, Any] = {"message": self.mask(message), "ts": now_ms() if ts is None else ts}
        step = self.mask(step) if step else None
        record.update((k, v) for k, v in (("level", level), ("step", step), ("fields", fields)) if v)
        return encode_line(record)


def missing_notice(count: int, why: str) -> bytes:
    """A record with the number of dropped records; empty if there are none."""
    if not count:
        return b""
    return encode_line({"message": f"{count} records are missing here: {why}", "level": "warn", "ts": now_ms()})


def encode_line(record: Mapping[str, Any]) -> bytes:
    """One line of JSON, ended by LF."""
    text = _ENCODER.encode(record)
    try:
        return text.encode() + b"\n"
    except UnicodeEncodeError:  # lone surrogates
        return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace").encode() + b"\n"


_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
