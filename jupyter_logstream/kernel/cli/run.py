"""Verb `run`: start a command, then follow it or print its id. Command line."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ...model.protocol import SECRET_VARIABLE, SERVER_VARIABLE, URL_VARIABLE
from ..connection import call
from ..errors import LogStreamError
from ..placement import place
from ..source import OwnServer
from .exit_codes import USAGE
from .following import follow_to_exit
from .json_lines import write_json
from .log_output import ExactOutput, JsonOutput
from .selection import Target
from .send import close_input, copy_input
from .values import as_dict

if TYPE_CHECKING:
    import argparse

_SERVER_VARIABLES = frozenset({SERVER_VARIABLE, URL_VARIABLE, SECRET_VARIABLE})


def main(given: argparse.Namespace) -> int:
    """Run the verb; see parser.py. Raises LogStreamError."""
    words = given.command[1:] if given.command[:1] == ["--"] else given.command
    if not words:
        sys.stderr.write("jupyter logstream run: name a command: jupyter logstream run -- COMMAND ...\n")
        return USAGE
    body = _specification(given, words)
    if given.dry_run:
        print(call("POST", "workloads", body={**body, "dry_run": True}).json()["plan"])  # noqa: T201
        return 0
    info = call("POST", "workloads", body=body).json()
    if given.detach:
        if given.json:
            write_json([info])
        else:
            sys.stdout.write(f"{info['id']}\n")
        return 0
    target = Target(info["id"], OwnServer())
    if given.stdin:
        threading.Thread(target=_send_input, args=(target,), daemon=True).start()
    return follow_to_exit(target, JsonOutput() if given.json else ExactOutput(target), after=0)


def _specification(given: argparse.Namespace, words: list[str]) -> dict[str, Any]:
    given_env = as_dict(given.env)
    here = place(given.backend, given.cwd, given_env)
    if here["env"] is not None:
        here["env"] = _environment(here["env"], given_env or {})
    fields = {
        "command": _command(words),
        **here,
        "tty": (given.detach or sys.stdout.isatty()) if given.tty is None else given.tty,
        "stdin": given.stdin,
        "key": given.key or uuid4().hex,  # makes the request safe to repeat
        "name": given.name,
        "timeout": given.timeout,
        "tags": as_dict(given.tag),
        "backend": given.backend,
        "options": as_dict(given.option),
        "files": given.files,
        "files_from": os.getcwd() if given.files else None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _environment(env: dict[str, str], given: dict[str, str]) -> dict[str, str]:
    """A kernel's environment as a shell's: with the shell's PATH, and without how this process found the server.

    The server sets these variables anew; this process can have found it by its token, which opens more than logs.
    """
    shells = {"PATH": os.environ["PATH"]} if "PATH" in os.environ else {}
    return {name: value for name, value in env.items() if name not in _SERVER_VARIABLES} | shells | given


def _command(words: list[str]) -> str | list[str]:
    """One word is a line for the shell, as in `run("make && make test")`, unless it names a program."""
    return words[0] if len(words) == 1 and shutil.which(words[0]) is None else words


def _send_input(target: Target) -> None:
    """Send standard input until its end, then close the workload's; ends when the workload does."""
    with suppress(LogStreamError, OSError):  # it has ended, or has closed its input
        copy_input(target)
        close_input(target)
