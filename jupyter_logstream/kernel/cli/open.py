"""Verb `open`: the address of a workload's log in JupyterLab. Command line."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from ..discovery import find_server
from ..errors import Rejected
from .selection import find

if TYPE_CHECKING:
    import argparse

PUBLIC_VARIABLE = "JUPYTERHUB_PUBLIC_URL"
"""Set by JupyterHub 5, if it knows its own address: that of the user's server in a browser."""


def main(given: argparse.Namespace) -> int:
    """Run the verb; see parser.py. Raises LogStreamError."""
    target = find(given.workload, given.catalogue)
    if target.source.upstream is not None:
        raise Rejected(f"{target.label} is on another server; open it there.", "remote")
    server = find_server()
    if server.socket is not None:
        raise Rejected(
            "A private log server has no address for browsers. Start JupyterLab: its panel Workloads lists "
            f"{target.label}, and `jupyter logstream open` prints its address.",
            "private_server",
        )
    root = os.environ.get(PUBLIC_VARIABLE) or server.url
    sys.stdout.write(f"{root.rstrip('/')}/lab?logstream={target.id}\n")
    return 0
