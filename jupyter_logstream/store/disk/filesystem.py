"""Type of the file system that holds a path, from /proc/self/mountinfo. Any process; stdlib.

On a network file system inotify does not see changes of other machines, and locks can fail to exclude them.
"""

from __future__ import annotations

import os
from pathlib import Path

_MOUNTS = Path("/proc/self/mountinfo")

NETWORK_TYPES = frozenset(
    ["nfs", "nfs4", "lustre", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "gpfs", "beegfs", "glusterfs", "ocfs2",
     "gfs2", "pvfs2", "orangefs", "panfs", "wekafs", "virtiofs", "vboxsf", "vmhgfs", "ncpfs", "coda"]
)  # fmt: skip
"""File system types that other machines can write to. FUSE types (`fuse`, `fuse.sshfs`) count as well."""


def is_network_file_system(path: Path) -> bool:
    """Whether other machines can write to the file system of `path`; False if that is unknown (no /proc)."""
    kind = file_system_type(path)
    return kind in NETWORK_TYPES or kind.partition(".")[0] in {"fuse", "fuseblk"}


def file_system_type(path: Path, mounts: Path = _MOUNTS) -> str:
    """The type of the file system that holds `path`, as proc_pid_mountinfo(5) names it; "" if unknown.

    Of several mounts at one point the last one counts: it covers the others.
    """
    try:
        lines = mounts.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    target, best, found = os.path.realpath(path), "", ""
    for line in lines:
        left, _, right = line.partition(" - ")
        fields = left.split(" ")
        if len(fields) < 5 or not right:
            continue
        point = _unescaped(fields[4])
        inside = target == point or target.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, found = point, right.split(" ")[0]
    return found


def _unescaped(text: str) -> str:
    """A field of mountinfo, in which space, tab, newline and backslash are octal escapes."""
    for code in "040", "011", "012", "134":
        text = text.replace(f"\\{code}", chr(int(code, 8)))
    return text
