"""Validation of a workload specification: JSON to a WorkloadSpec. Server; stdlib, no I/O.

A spec is validated once, before anything is created from it. Callers translate SpecError; HTTP answers 422.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .follow import BadFollow, check_follow, follow_command
from .protocol import EXTERNAL
from .system_text import displayable
from .unprintable import UNPRINTABLE_IN_NAME
from .workload import WorkloadSpec, shell_join

_MAX_NAME_CHARS = 200
_MAX_DERIVED_NAME_CHARS = 100  # of a command that becomes the name
_MAX_TAGS = 64
_MAX_TAG_NAME_CHARS = 64
_MAX_BACKEND_NAME_CHARS = 64
_MAX_FILES = 1000  # globs; what they match is bounded by the backend
_MAX_TIMEOUT_S = 10 * 365 * 86400
_MAX_ARGUMENTS_BYTES = 2 * 1024 * 1024 - 64 * 1024  # execve(2): more is E2BIG on Linux
_MAX_ARGUMENT_BYTES = 128 * 1024 - 1  # execve(2): MAX_ARG_STRLEN


class SpecError(ValueError):
    """A field of a specification is invalid: `field` is its name, the text says what is wrong with its value."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field


_FIELDS = frozenset(
    "command name cwd env backend options timeout tty stdin tags key call files files_from follow".split()  # noqa: SIM905
)


def check_spec(body: Mapping[str, Any]) -> WorkloadSpec:
    """Validate a JSON object as a specification; null means absent.

    Raises SpecError, which names the first field that is invalid, unknown or missing.
    """
    for name in body:
        if name not in _FIELDS:
            raise SpecError(printable(name), "is not a field of a workload")
    given = {name: value for name, value in body.items() if value is not None}
    external = given.get("backend") == EXTERNAL
    follow = _check_follow(given)
    if "command" not in body and not external and follow is None:
        raise SpecError("command", "is missing")
    if external:
        _check_external(given)
    command = _command_of(given, follow)
    spec = WorkloadSpec(
        command=command,
        name=_check_text(
            "name",
            given.get("name", given.get("call") or _derived_name(_name_source(command, follow)) or EXTERNAL),
            _MAX_NAME_CHARS,
        ),
        cwd=_check_argument("cwd", given.get("cwd", "")),
        env=_check_env(given.get("env", {})),
        backend=_check_text("backend", given.get("backend", "local"), _MAX_BACKEND_NAME_CHARS),
        options=_check_options(given.get("options", {})),
        timeout=_check_timeout(given.get("timeout")),
        tty=_check_kind("tty", given.get("tty", follow is None), bool, "true or false"),
        stdin=_check_kind("stdin", given.get("stdin", False), bool, "true or false"),
        tags=_check_tags(given.get("tags", {})),
        call=_check_text("call", given["call"], _MAX_NAME_CHARS) if "call" in given else None,
        key=_check_text("key", given["key"], _MAX_NAME_CHARS) if "key" in given else None,
        **_check_files(given),
        follow=follow,
    )
    _check_size(spec)
    return spec


def printable(text: str) -> str:
    """A caller's text for use in an error message: truncated, without control and bidirectional characters."""
    return UNPRINTABLE_IN_NAME.sub("\N{REPLACEMENT CHARACTER}", displayable(text[:80]))


def _check_kind(name: str, value: Any, kind: type, expected: str) -> Any:
    if not isinstance(value, kind):
        raise SpecError(name, f"must be {expected}, not {_kind_of(value)}")
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


def _check_follow(given: Mapping[str, Any]) -> dict[str, Any] | None:
    try:
        return check_follow(given)
    except BadFollow as error:
        raise SpecError(error.field, error.problem) from None


def _command_of(given: Mapping[str, Any], follow: Mapping[str, Any] | None) -> str | list[str]:
    if follow is not None:
        return follow_command(follow)
    return "" if given.get("backend") == EXTERNAL and "command" not in given else _check_command(given.get("command"))


def _name_source(command: str | list[str], follow: Mapping[str, Any] | None) -> str | list[str]:
    """What a workload without a name is called after: the files that it follows, or its command."""
    return command if follow is None else " ".join(follow["paths"])


def _check_options(value: Any) -> dict[str, Any]:
    options: dict[str, Any] = _check_kind("options", value, dict, "an object")
    if any("\ud800" <= char <= "\udfff" for char in json.dumps(options, ensure_ascii=False)):
        raise SpecError("options", "holds half of a surrogate pair")
    return options


def _check_external(given: Mapping[str, Any]) -> None:
    for name in ("env", "timeout", "tty", "stdin", "options", "call", "files", "files_from"):
        if name in given:
            raise SpecError(name, "does not apply to an external workload, which this server does not start")


def _check_argument(name: str, value: Any, errors: str = "surrogateescape") -> str:
    """A string without NUL. Half of a surrogate pair is an error, unless it stands for a byte that is not UTF-8."""
    _check_kind(name, value, str, "a string")
    if "\0" in value:
        raise SpecError(name, "must not hold a NUL")
    try:
        size = len(value.encode("utf-8", errors))
    except UnicodeEncodeError:
        raise SpecError(name, "holds half of a surrogate pair") from None
    if size > _MAX_ARGUMENT_BYTES:
        raise SpecError(name, f"is longer than {_MAX_ARGUMENT_BYTES} bytes, the most that the system takes")
    return str(value)


def _check_text(name: str, value: Any, max_chars: int) -> str:
    _check_argument(name, value, "strict")
    if not value or len(value) > max_chars:
        raise SpecError(name, f"must have 1 to {max_chars} characters")
    if found := UNPRINTABLE_IN_NAME.search(value):
        raise SpecError(name, f"must not hold the control character U+{ord(found[0]):04X}")
    return str(value)


def _check_files(given: Mapping[str, Any]) -> dict[str, Any]:
    """The globs `files`, each relative and without `..`, and the absolute folder `files_from`."""
    globs = _check_kind("files", given.get("files", []), list, "a list of relative paths or globs")
    if len(globs) > _MAX_FILES:
        raise SpecError("files", f"are more than {_MAX_FILES} globs")
    for i, glob in enumerate(globs):
        _check_argument(f"files[{i}]", glob)
        if not glob or glob.startswith(("/", "~")) or ".." in glob.split("/"):
            raise SpecError(f"files[{i}]", "must be a path or glob below files_from: not empty, absolute, ~ or ..")
    folder = _check_argument("files_from", given.get("files_from", ""))
    if (folder or globs) and not folder.startswith("/"):
        raise SpecError("files_from", "must be the absolute path of the folder that `files` are relative to")
    return {"files": tuple(globs), "files_from": folder if globs else ""}


def _check_env(value: Any) -> dict[str, str]:
    _check_kind("env", value, dict, "an object of strings")
    for name, content in value.items():
        if not name or "=" in name or "\0" in name:
            raise SpecError("env", f"{printable(name)!r} is not a name of a variable")
        _check_argument("env", name)
        _check_argument(f"env.{printable(name)}", content)
    return dict(value)


def _check_tags(value: Any) -> dict[str, str]:
    _check_kind("tags", value, dict, "an object of strings")
    if len(value) > _MAX_TAGS:
        raise SpecError("tags", f"are more than {_MAX_TAGS}")
    return {
        _check_text("tags", k, _MAX_TAG_NAME_CHARS): _check_argument(f"tags.{printable(k)}", v, "strict")
        for k, v in value.items()
    }


def _check_timeout(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise SpecError("timeout", f"must be a number of seconds, not {_kind_of(value)}")
    if not 0 < value <= _MAX_TIMEOUT_S:  # false for NaN too
        raise SpecError("timeout", f"must be more than 0 and at most {_MAX_TIMEOUT_S} seconds")
    return float(value)


def _check_size(spec: WorkloadSpec) -> None:
    size = sum(_size(a) + 9 for a in spec.argv) + sum(_size(k) + _size(v) + 10 for k, v in spec.env.items())
    if size > _MAX_ARGUMENTS_BYTES:
        raise SpecError("command", "is, with its environment, longer than the system takes")


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogateescape"))


def _derived_name(command: str | list[str]) -> str:
    """The name of a workload that was given none: its command, cut to _MAX_DERIVED_NAME_CHARS."""
    text = command if isinstance(command, str) else shell_join(command)
    name = UNPRINTABLE_IN_NAME.sub(" ", displayable(text)).strip()
    if len(name) <= _MAX_DERIVED_NAME_CHARS:
        return name
    return name[: _MAX_DERIVED_NAME_CHARS - 1].rstrip() + "\N{HORIZONTAL ELLIPSIS}"
