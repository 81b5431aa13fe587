"""Start of the child process: its terminals or pipes, environment and session. Runner; stdlib."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import struct
import subprocess
import termios
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..model.protocol import (
    CALL_VARIABLE,
    OUTPUT_VARIABLE,
    RUNNER_VARIABLE,
    TERMINAL_COLUMNS,
    TERMINAL_ROWS,
    WORKLOAD_VARIABLE,
)
from ..model.slots import SLOTS
from ..model.workload import WorkloadSpec
from ..store.disk.files import is_own
from ..store.disk.folder import Folder
from ..store.disk.layout import OUTPUT

_PIPE_BYTES = 1 << 20  # the limit for users on Linux; a burst then needs fewer reads
_F_SETPIPE_SZ = 1031
_MAX_PROMPT_BYTES = 1024  # with a file name

_WORD = r"""(?:[\w@%+:,./=-]|'[^']*'|"[^"$`\\]*")+"""
_SIMPLE_COMMAND = re.compile(rf"[\w.+/-]+(?: +{_WORD})*", re.ASCII)
# Builtins of any usual /bin/sh, and reserved words.
_SHELL_WORDS = re.compile(
    r"[.:!]|\[\[?|alias|bg|bind|break|builtin|caller|case|cd|chdir|command|compgen|complete|compopt|continue|declare|dirs|"
    r"disown|do|done|echo|elif|else|enable|esac|eval|exec|exit|export|false|fc|fg|fi|for|function|getopts|hash|help|"
    r"history|if|in|jobs|kill|let|local|logout|mapfile|popd|print|printf|pushd|pwd|read|readarray|readonly|return|select|"
    r"set|shift|shopt|source|suspend|test|then|time|times|trap|true|type|typeset|ulimit|umask|unalias|unset|until|wait|"
    r"whence|while"
)


class CannotStart(RuntimeError):
    """The command cannot be started; the text names the cause for the user."""


@dataclass(**SLOTS)
class Child:
    """A started child. `outputs`: open fds and their source. `exit`: its wait status once it has ended."""

    pid: int
    outputs: dict[int, str] = field(default_factory=dict)
    stdin: int | None = None
    exit: int | None = None


def start(spec: WorkloadSpec, folder: Folder, call: str = "", wrapper: Sequence[str] = ()) -> Child:
    """Start the command in a session of its own, with the workload's id in its environment.

    On another machine than the server, also with what its processes need to publish by the runner.

    `call`: value of CALL_VARIABLE for the process of a function. `wrapper`: see RunParameters; it gets the runner's
    environment, and the command's by the folder. Raises CannotStart; nothing is left open then.
    """
    ours: dict[str, int] = {}
    theirs: dict[str, int] = {}
    try:
        for source in OUTPUT:
            ours[source], theirs[source] = _terminal() if spec.tty else _pipe()
        if spec.stdin:
            theirs["stdin"], ours["stdin"] = os.pipe()
        process = subprocess.Popen(
            [*wrapper, *exec_simple(spec.argv)],
            cwd=spec.cwd or None,
            env={
                **_inherited(os.environ if wrapper else spec.env),
                **_variables(folder, theirs),
                **({CALL_VARIABLE: call} if call else {}),
            },
            stdin=theirs.get("stdin", subprocess.DEVNULL),
            stdout=theirs["stdout"],
            stderr=theirs["stderr"],
            start_new_session=True,
            restore_signals=True,
        )
    except OSError as error:
        for fd in ours.values():
            os.close(fd)
        raise CannotStart(_why(spec, error)) from error
    finally:
        for fd in theirs.values():
            os.close(fd)
    process.returncode = 0  # the runner reaps it; Popen's destructor must not
    if "stdin" in ours:
        os.set_blocking(ours["stdin"], False)
    return Child(process.pid, {ours["stdout"]: "stdout", ours["stderr"]: "stderr"}, ours.get("stdin"))


def _inherited(env: Mapping[str, str]) -> dict[str, str]:
    """Without what describes an outer workload."""
    return {name: value for name, value in env.items() if name not in {RUNNER_VARIABLE, OUTPUT_VARIABLE}}


def _variables(folder: Folder, outputs: Mapping[str, int]) -> dict[str, str]:
    """The variables by which a process knows the workload that it is part of, as its descendants do."""
    found = {WORKLOAD_VARIABLE: folder.id}
    if is_own(folder.host):
        streams = (os.fstat(outputs[source]) for source in OUTPUT)
        found[OUTPUT_VARIABLE] = ",".join(f"{stream.st_dev}:{stream.st_ino}" for stream in streams)
        found[RUNNER_VARIABLE] = str(folder.control)
    return found


def turn_page(child: Child, chunk: bytes) -> None:
    """Press the space bar if `more` has just written its prompt: it reads keys from the terminal of standard error."""
    if b"--More--" not in chunk[-_MAX_PROMPT_BYTES:]:
        return
    for fd, source in child.outputs.items():
        if source == "stderr" and os.isatty(fd) and not termios.tcgetattr(fd)[3] & termios.ICANON:
            os.write(fd, b" ")


def exec_simple(argv: list[str]) -> list[str]:
    """Let the shell of a string command `exec` it if it is one external program, so signals reach that directly.

    Only where that changes nothing else: plain and quoted words, no expansion, operator, assignment or shell builtin.
    """
    if argv[:2] != ["/bin/sh", "-c"] or len(argv) != 3 or not _SIMPLE_COMMAND.fullmatch(argv[2].strip(" ")):
        return argv
    program = argv[2].split()[0]
    if _SHELL_WORDS.fullmatch(program):
        return argv
    return [*argv[:2], "exec " + argv[2]]


def _terminal() -> tuple[int, int]:
    ours, theirs = os.openpty()
    attributes = termios.tcgetattr(theirs)
    attributes[1] &= ~termios.ONLCR  # LF stays LF
    termios.tcsetattr(theirs, termios.TCSANOW, attributes)
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", TERMINAL_ROWS, TERMINAL_COLUMNS, 0, 0))
    return ours, theirs


def _pipe() -> tuple[int, int]:
    ours, theirs = os.pipe()
    with contextlib.suppress(OSError):  # not Linux, or the user's limit is reached: keep the default size
        fcntl.fcntl(ours, _F_SETPIPE_SZ, _PIPE_BYTES)
    return ours, theirs


def _why(spec: WorkloadSpec, error: OSError) -> str:
    what = spec.argv[0]
    if error.filename == spec.cwd and spec.cwd != what:
        return f"cwd {spec.cwd}: {error.strerror}"
    places = [spec.cwd] if "/" in what else spec.env.get("PATH", os.defpath).split(os.pathsep)
    there = [place for place in (os.path.join(folder, what) for folder in places) if os.path.exists(place)]
    if error.errno == errno.ENOENT:
        return (
            f"{what}: the interpreter that its first line names was not found"
            if there
            else f"{what}: command not found"
        )
    if error.errno == errno.EACCES:
        is_folder = any(os.path.isdir(place) for place in there)
        return f"{what}: is a directory" if is_folder else f"{what}: is not executable"
    if error.errno == errno.ENOEXEC:
        return f"{what}: is not a program that this system can run (a script needs a #! line)"
    return f"{what}: {error.strerror}"
