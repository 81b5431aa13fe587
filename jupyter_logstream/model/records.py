"""Records and levels: the value of one line of output or one published log record. Any process; stdlib, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .slots import SLOTS

LEVELS = ("unknown", "trace", "debug", "info", "warn", "error", "fatal")
"""Level names. A level's code is its position, so that "this level and above" is one comparison."""

SOURCES = ("stdout", "stderr", "log", "system")

ALIASES = {
    "trace": 1, "verbose": 1, "finest": 1, "trc": 1, "t": 1,
    "debug": 2, "dbg": 2, "fine": 2, "d": 2,
    "info": 3, "inf": 3, "information": 3, "notice": 3, "success": 3, "i": 3,
    "warn": 4, "warning": 4, "wrn": 4, "w": 4,
    "error": 5, "err": 5, "severe": 5, "exception": 5, "e": 5,
    "fatal": 6, "critical": 6, "crit": 6, "ftl": 6, "emergency": 6, "emerg": 6, "alert": 6, "panic": 6, "f": 6, "c": 6,
}  # fmt: skip
"""Common names of levels in lower case, with the code of the level."""


def level_code(name: str) -> int:
    """The code of a level by any of its names in ALIASES (WARNING is warn, CRITICAL is fatal); 0 if unknown."""
    return ALIASES.get(name.strip().lower(), 0)


@dataclass(frozen=True, **SLOTS)
class Record:
    """One line of output or one published log record. `ts` is Unix milliseconds; the fraction carries microseconds.

    `seq` is the record's number in its stream (1, 2, 3 ...) and its cursor: "after 16" starts with 17. A record that is
    not stored yet has 0.
    """

    seq: int
    ts: float
    level: str
    message: str
    step: str | None = None
    source: str = "stdout"
    part: bool = False
    fields: Mapping[str, Any] | None = None

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Record:
        """Read the JSON of `to_json`; unknown keys (of a newer server) are ignored. Raises KeyError."""
        return cls(
            seq=value["seq"],
            ts=value["ts"],
            level=value["level"],
            message=value["message"],
            step=value.get("step"),
            source=value.get("source", "stdout"),
            part=value.get("part", False),
            fields=value.get("fields"),
        )

    def to_json(self) -> dict[str, Any]:
        """The record as in the protocol, without keys that are absent."""
        value: dict[str, Any] = {"seq": self.seq, "ts": self.ts, "level": self.level, "message": self.message}
        if self.step is not None:
            value["step"] = self.step
        value["source"] = self.source
        if self.part:
            value["part"] = True
        if self.fields is not None:
            value["fields"] = dict(self.fields)
        return value
