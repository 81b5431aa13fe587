"""Validation of the `follow` field of a specification: which files, and from where. Server; stdlib, no I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .protocol import EXTERNAL
from .unprintable import UNPRINTABLE_IN_NAME
from .workload import shell_join

MAX_FOLLOW_PATHS = 100
"""Paths and globs of one workload."""

MAX_TAIL_LINES = 10**9

_MAX_PATH_BYTES = 4096
_FIELDS = frozenset({"paths", "tail", "from_start", "poll"})
_EXCLUDED = ("command", "tty", "stdin", "options", "call", "files", "files_from")
_MAGIC = re.compile(r"[*?[]")


class BadFollow(ValueError):
    """A field is invalid: `field` is its name, `problem` continues the sentence."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field, self.problem = field, problem


def check_follow(given: Mapping[str, Any]) -> dict[str, Any] | None:
    """The field `follow` of a specification without its null fields; None if it is absent. Raises BadFollow."""
    value = given.get("follow")
    if value is None:
        return None
    if given.get("backend") == EXTERNAL:
        raise BadFollow("follow", "does not apply to an external workload, which this server does not start")
    for name in _EXCLUDED:
        if name in given:
            raise BadFollow(name, "does not apply to a workload that follows files")
    if not isinstance(value, dict):
        raise BadFollow("follow", 'must be an object such as {"paths": ["logs/*.log"]}')
    for name in value:
        if name not in _FIELDS:
            shown = UNPRINTABLE_IN_NAME.sub("?", str(name)[:80])
            raise BadFollow(f"follow.{shown}", f"is not one of {', '.join(sorted(_FIELDS))}")
    known = {name: content for name, content in value.items() if content is not None}
    return {"paths": _check_paths(known.get("paths")), **_check_start(known)}


def is_glob(path: str) -> bool:
    """Whether a path is a pattern."""
    return _MAGIC.search(path) is not None


def follow_command(follow: Mapping[str, Any]) -> str:
    """The command that does the same in a shell, for display."""
    options = [f"--tail={follow['tail']}"] if "tail" in follow else []
    options += ["--from-start"] if follow.get("from_start") else []
    options += ["--poll"] if follow.get("poll") else []
    paths = list(follow["paths"])
    return shell_join(["jupyter", "logstream", "follow", *options, *(["--"] if paths[0][:1] == "-" else []), *paths])


def _check_paths(value: Any) -> list[str]:
    if not isinstance(value, list) or not value:
        raise BadFollow("follow.paths", "must be a list of paths and globs")
    if len(value) > MAX_FOLLOW_PATHS:
        raise BadFollow("follow.paths", f"are more than {MAX_FOLLOW_PATHS}; a glob can match more files")
    for i, path in enumerate(value):
        field = f"follow.paths[{i}]"
        if not isinstance(path, str) or not path or "\0" in path:
            raise BadFollow(field, "must be a path or glob: not empty, without NUL")
        try:
            size = len(path.encode("utf-8", "surrogateescape"))
        except UnicodeEncodeError:
            raise BadFollow(field, "holds half of a surrogate pair") from None
        if size > _MAX_PATH_BYTES:
            raise BadFollow(field, f"is longer than {_MAX_PATH_BYTES} bytes")
    return list(dict.fromkeys(value))


def _check_start(known: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in ("from_start", "poll"):
        if name in known and not isinstance(known[name], bool):
            raise BadFollow(f"follow.{name}", "must be true or false")
        if known.get(name):
            found[name] = True
    if "tail" in known:
        tail = known["tail"]
        if isinstance(tail, bool) or not isinstance(tail, int) or not 0 <= tail <= MAX_TAIL_LINES:
            raise BadFollow("follow.tail", f"must be a number of lines from 0 to {MAX_TAIL_LINES}")
        if "from_start" in found:
            raise BadFollow("follow.tail", "and from_start exclude each other")
        found["tail"] = tail
    return found
