"""Which files may be followed: only those below the server's root and `c.LogStream.follow_roots`. Server.

The runner checks each file again when it is opened, since a link can be changed meanwhile.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..model.follow import is_glob
from ..model.spec import SpecError
from ..store.disk.open_below import is_below

_OUTSIDE = (
    "leads outside the folders in which files may be followed, the server's root and c.LogStream.follow_roots "
    "(symbolic links resolved)"
)


def real_roots(roots: Sequence[Path]) -> list[str]:
    """The resolved folders below which files may be followed."""
    return [os.path.realpath(os.path.expanduser(root)) for root in roots]


def resolve_follow(follow: Mapping[str, Any], cwd: str, roots: Sequence[str]) -> dict[str, Any]:
    """The field `follow` with the `roots` that its files must lie below. `cwd`: the folder of relative paths.

    A file that does not exist yet is waited for. Raises SpecError.
    """
    for i, path in enumerate(follow["paths"]):
        _check(f"follow.paths[{i}]", path, os.path.join(cwd, path), roots)
    return {**follow, "roots": list(roots)}


def _check(field: str, given: str, path: str, roots: Sequence[str]) -> None:
    if is_glob(given) and not os.path.lexists(path):
        if ".." in given.split("/"):
            raise SpecError(field, "must not hold .. in a glob")
        while is_glob(path):
            path = os.path.dirname(path)
        if not is_below(os.path.realpath(path), roots):
            raise SpecError(field, _OUTSIDE)
        return
    if not is_below(os.path.realpath(path), roots):
        raise SpecError(field, _OUTSIDE)
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return  # waited for
    if stat.S_ISDIR(mode):
        raise SpecError(field, "is a directory; follow its files by a glob such as DIRECTORY/*.log")
    if not stat.S_ISREG(mode):
        raise SpecError(field, "is a pipe, socket or device, which following would consume or disturb")
