"""Checking what a caller asks for: JSON in, a WorkloadSpec out, or the first field that is wrong. Server side; stdlib.

Done once, before anything is made of it. This file must not know HTTP: who asked learns of a SpecError as he may.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .workload import EXTERNAL, WorkloadSpec, shell_join

_LONGEST_NAME = 200
_LONGEST_GUESS = 100  # characters of a command that become its name
_LONGEST_TIMEOUT = 10 * 365 * 86400
_LONGEST_ARGUMENTS = 2 * 1024 * 1024 - 64 * 1024  # bytes; Linux refuses more (E2BIG), one string more than 128 KiB
_LONGEST_STRING = 128 * 1024 - 1
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


class SpecError(ValueError):
    """A field of a spec is wrong; `field` names it, the text says what is wrong with its value."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field


_KNOWN = frozenset(["command", "name", "cwd", "env", "backend", "options", "timeout", "tty", "stdin", "tags", "key"])


def check_spec(asked: Mapping[str, Any]) -> WorkloadSpec:
    """Make a spec of a caller's JSON object; SpecError names the first field that is wrong, unknown or missing."""
    for name in asked:
        if name not in _KNOWN:
            raise SpecError(_shown(name), "is not a field of a workload")
    given = {name: value for name, value in asked.items() if value is not None}
    external = given.get("backend") == EXTERNAL
    if "command" not in asked and not external:
        raise SpecError("command", "is missing")
    if external:
        _check_external(given)
    command = "" if external and "command" not in given else _check_command(given.get("command"))
    spec = WorkloadSpec(
        command=command,
        name=_check_text("name", given.get("name", _name_of(command) or EXTERNAL), _LONGEST_NAME),
        cwd=_check_path(given.get("cwd", "")),
        env=_check_env(given.get("env", {})),
        backend=_check_text("backend", given.get("backend", "local"), 64),
        options=_check_kind("options", given.get("options", {}), dict, "an object"),
        timeout=_check_timeout(given.get("timeout")),
        tty=_check_kind("tty", given.get("tty", True), bool, "true or false"),
        stdin=_check_kind("stdin", given.get("stdin", False), bool, "true or false"),
        tags=_check_tags(given.get("tags", {})),
        key=_check_text("key", given["key"], _LONGEST_NAME) if "key" in given else None,
    )
    _check_size(spec)
    return spec


def _shown(text: str) -> str:
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text[:80])


def _check_kind(name: str, value: Any, kind: type, article: str) -> Any:
    if not isinstance(value, kind):
        raise SpecError(name, f"must be {article}, not {_kind_of(value)}")
    return value


def _kind_of(value: Any) -> str:
    kinds = {
        bool: "true or false",
        int: "a number",
        float: "a number",
        str: "a string",
        list: "a list",
        dict: "an object",
    }
    return "null" if value is None else kinds.get(type(value), "that")


def _check_command(value: Any) -> str | list[str]:
    if isinstance(value, str):
        if not value.strip():
            raise SpecError("command", "is empty")
        return _check_argument("command", value)
    if not isinstance(value, list):
        raise SpecError("command", f"must be a string or a list of strings, not {_kind_of(value)}")
    if not value or value[0] == "":
        raise SpecError("command", "is empty")
    return [_check_argument(f"command[{i}]", item) for i, item in enumerate(value)]


def _check_external(given: Mapping[str, Any]) -> None:
    for name in ("env", "timeout", "tty", "stdin", "options"):
        if name in given:
            raise SpecError(name, "is not for an external workload, which nobody here starts")


def _check_argument(name: str, value: Any) -> str:
    _check_kind(name, value, str, "a string")
    if "\0" in value:
        raise SpecError(name, "must not hold a NUL")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise SpecError(name, "holds half of a surrogate pair") from None
    if size > _LONGEST_STRING:
        raise SpecError(name, f"is longer than {_LONGEST_STRING} bytes, the most that the system takes")
    return str(value)


def _check_text(name: str, value: Any, longest: int) -> str:
    _check_argument(name, value)
    if not value or len(value) > longest:
        raise SpecError(name, f"must have 1 to {longest} characters")
    if found := _UNPRINTABLE.search(value):
        raise SpecError(name, f"must not hold the control character U+{ord(found[0]):04X}")
    return str(value)


def _check_path(value: Any) -> str:
    return _check_argument("cwd", value)


def _check_env(value: Any) -> dict[str, str]:
    _check_kind("env", value, dict, "an object of strings")
    for name, content in value.items():
        if not name or "=" in name or "\0" in name:
            raise SpecError("env", f"{_shown(name)!r} is not a name of a variable")
        _check_argument(f"env.{_shown(name)}", content)
    return dict(value)


def _check_tags(value: Any) -> dict[str, str]:
    _check_kind("tags", value, dict, "an object of strings")
    if len(value) > 64:
        raise SpecError("tags", "are more than 64")
    return {_check_text("tags", k, 64): _check_argument(f"tags.{_shown(k)}", v) for k, v in value.items()}


def _check_timeout(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise SpecError("timeout", f"must be a number of seconds, not {_kind_of(value)}")
    if not 0 < value <= _LONGEST_TIMEOUT:  # false for NaN too
        raise SpecError("timeout", f"must be more than 0 and at most {_LONGEST_TIMEOUT} seconds")
    return float(value)


def _check_size(spec: WorkloadSpec) -> None:
    size = sum(len(a.encode()) + 9 for a in spec.argv)
    size += sum(len(k.encode()) + len(v.encode()) + 10 for k, v in spec.env.items())
    if size > _LONGEST_ARGUMENTS:
        raise SpecError("command", "is, with its environment, longer than the system takes")


def _name_of(command: str | list[str]) -> str:
    text = command if isinstance(command, str) else shell_join(command)
    name = _UNPRINTABLE.sub(" ", text).strip()
    return name if len(name) <= _LONGEST_GUESS else name[: _LONGEST_GUESS - 1].rstrip() + "\N{HORIZONTAL ELLIPSIS}"
