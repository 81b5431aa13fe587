"""Verb `follow`: show files that other programs write as a log, or print the id of the workload. Command line."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ..follow import submit_follow
from ..source import OwnServer
from .following import follow_to_exit
from .json_lines import write_json
from .log_output import ExactOutput, JsonOutput
from .selection import Target
from .values import as_dict

if TYPE_CHECKING:
    import argparse


def main(given: argparse.Namespace) -> int:
    """Run the verb; see parser.py. Raises LogStreamError."""
    follow = {
        "paths": given.paths,
        "tail": given.tail,
        "from_start": given.from_start or None,
        "poll": given.poll or None,
    }
    info = submit_follow(
        {name: value for name, value in follow.items() if value is not None},
        name=given.name,
        timeout=given.timeout,
        tags=as_dict(given.tag),
        key=given.key,
        backend=None,
    )
    if given.detach:
        if given.json:
            write_json([info])
        else:
            sys.stdout.write(f"{info['id']}\n")
        return 0
    target = Target(info["id"], OwnServer())
    return follow_to_exit(target, JsonOutput() if given.json else ExactOutput(target), after=0)
