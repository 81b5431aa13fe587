"""Supervisor of one container: creates it, passes its output on, ends as it ended. Child process of a runner; stdlib.

`main(["run", FOLDER, PYTHON, PROGRAM, OPTION ..., IMAGE, "--", COMMAND ...])`, with docker or podman as PROGRAM. The
container's name is the workload's id. It is created, then started, so that reports of the engine are not taken for the
command's output. Clients of the engine carry neither input nor output (`container_streams.py`) nor signals: they can
end before the container, when the engine is restarted. The runner removes the container by
`main(["remove", FOLDER, PROGRAM])`.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..model.protocol import CALL_VARIABLE
from ..store.disk.files import remove_own, replace_file
from ..store.disk.folder import Folder
from ..wire.container_client import ARCHIVE, MARKER, is_gone, is_podman, problem
from .container_environment import variables
from .container_removal import remove
from .container_streams import Streams

_RETRY_S = 1.0
_CANNOT_CREATE = 125  # as `docker run`
_NOT_EXECUTABLE, _NOT_FOUND = 126, 127
_INIT_FAILED = {1, _NOT_FOUND}  # podman's, docker's
_NO_SHELL = ("exec /bin/sh failed: No such file", "failed to exec pid1: No such file")  # by the inits of docker, podman
_OF_SIGNALS = 128  # and the signal's number: the exit code of a container that a signal ended
_NEVER = "0001-01-01"  # StartedAt of a container that was not started
_PASSED_ON = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
# These do not end a process, so a code that could stand for one is the command's own.
_HARMLESS = {
    signal.SIGCHLD, signal.SIGCONT, signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGURG,
    signal.SIGWINCH,
}  # fmt: skip


def main(arguments: Sequence[str]) -> int:
    """Run the container to its end, or remove it. Returns its exit code, or ends by the signal that ended it."""
    verb, path, *rest = arguments
    folder = Folder(Path(path))
    if verb == "remove":
        return remove(folder, *rest)
    python, program, *rest = rest
    split = rest.index("--")
    supervisor = Supervisor(folder, program, rest[:split], rest[split + 1 :])
    for passed_on in _PASSED_ON:
        signal.signal(passed_on, supervisor.receive)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # it ends by the container's signal
    code = supervisor.run(python)
    if (number := code - _OF_SIGNALS) in {int(one) for one in signal.valid_signals() - _HARMLESS}:
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    return code


class Supervisor:
    """See the module. `options`: of `create`, with the image as the last."""

    def __init__(self, folder: Folder, program: str, options: Sequence[str], command: Sequence[str]) -> None:
        self._folder, self._program = folder, program
        *self._options, self._image = options
        self._command = list(command)
        self._memory = next((one.partition("=")[2] for one in options if one.startswith("--memory=")), "")
        self._spec, _ = folder.read_spec()
        self._streams: Streams | None = None  # None: the engine's client carries them
        self._is_created = self._lacks_shell = False
        self._start_errors = ""
        self._unsent = 0  # a signal that has not reached the container
        self._is_stopping = False

    def receive(self, number: int, _: object) -> None:
        """Pass a signal on. TERM of the runner goes to its whole tree, in which podman's containers are."""
        if number == signal.SIGTERM and self._folder.read_status()[0].reason:  # the runner is stopping the workload
            self._is_stopping = True
            if self._is_created and is_podman(self._program):
                return
        self._unsent = number
        if self._is_created:
            self._send()

    def run(self, python: str) -> int:
        """The exit code of the container; 128 and the signal's number if a signal ended it."""
        if CALL_VARIABLE in os.environ:
            from .localize import call_command  # noqa: PLC0415 - only functions need it

            self._command = call_command(python, str(self._folder.path / ARCHIVE))
        replace_file(self._folder.path / MARKER, b"", sync=False)
        if Streams.can_be_mounted:
            spec = self._spec
            self._streams = Streams(self._folder.path, has_input=spec.stdin, has_terminal=spec.tty)
        code = self._run_once()
        if not self._lacks_shell:
            return code
        if self._command[0] == "/bin/sh":
            self._write_reason(f"/bin/sh: command not found in the image {self._image}")
            return _NOT_FOUND
        _warn(f"the image {self._image} has no /bin/sh: {self._name} carries the output, without a terminal")
        remove_own(self._folder.end_reason)
        _run([self._program, "rm", "--force", self._folder.id])
        self._streams = None
        return self._run_once()

    def _run_once(self) -> int:
        mounts = self._streams.open() if self._streams else []
        try:
            created = self._create(mounts)
            if self._unsent:
                return _OF_SIGNALS + self._unsent
            if created.returncode:
                self._report(created.stderr)
                return _CANNOT_CREATE
            self._is_created = True
            if self._streams:
                started = _run([self._program, "start", self._folder.id])
                self._start_errors = started.stderr
                if started.returncode == 0 and not self._unsent:
                    self._follow()
            else:
                self._client("start", "--attach", *self._interactive())
            return self._end(self._wait())
        finally:
            if self._streams:
                self._streams.close()

    def _create(self, mounts: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Create the container; the engine pulls its image if it is missing, and its progress is in the log."""
        command = self._streams.wrap(self._command) if self._streams else self._command
        with variables(self._spec.env, self._folder.path) as (names, environment):
            argv = [*self._options, *names, *self._interactive(), *mounts, self._image, *command]
            return _run([self._program, "create", *argv], environment)

    def _interactive(self) -> list[str]:
        return ["--interactive"] if self._spec.stdin and not self._streams else []

    def _wait(self) -> Mapping[str, Any]:
        """The state of the container once it has ended; empty if it is gone."""
        is_reported = False
        while True:
            state = self._state()
            if state is not None and not state.get("Running"):
                return state
            if state is None:
                if not is_reported:
                    _warn(f"{self._name} does not answer; the container can go on. Waiting for {self._name}")
                is_reported = True
                time.sleep(_RETRY_S)
                continue
            if is_reported:
                _warn(f"{self._name} answers again")
            is_reported = False
            self._send()
            if self._follow() and not self._is_stopping:
                time.sleep(_RETRY_S)

    def _follow(self) -> int:
        """Wait until the container has ended, or the engine's client has; returns its exit code."""
        if self._streams:
            return _run([self._program, "wait", self._folder.id]).returncode
        _warn(f"the connection to {self._name} was lost; output that it carried meanwhile is missing")
        return self._client("attach", *([] if self._spec.stdin else ["--no-stdin"]))

    def _client(self, *verb: str) -> int:
        return subprocess.call([self._program, *verb, self._folder.id])

    def _send(self) -> None:
        """Send the signal that has not reached the container; later, if the engine does not answer."""
        number = self._unsent
        if number and _run([self._program, "kill", f"--signal={number}", self._folder.id]).returncode == 0:
            self._unsent = 0

    def _state(self) -> Mapping[str, Any] | None:
        """The container's state from the engine; empty if there is none, None if the engine does not answer."""
        found = _run([self._program, "container", "inspect", "--format={{json .State}}", self._folder.id])
        if found.returncode == 0:
            state: Mapping[str, Any] = json.loads(found.stdout)
            return state
        return {} if is_gone(found.stderr) else None

    def _end(self, state: Mapping[str, Any]) -> int:
        """The exit code, and the reason where the code is not enough."""
        code = int(state.get("ExitCode", _OF_SIGNALS + signal.SIGKILL))
        if state and self._streams:
            self._add_log(code)
        if not state:
            if not self._is_stopping:
                self._write_reason("the container was removed while it ran")
        elif state.get("OOMKilled") and code:
            self._write_reason("out of memory: the container reached its limit; raise the option memory")
        elif code == _OF_SIGNALS + signal.SIGKILL and self._memory and not self._is_stopping:
            self._write_reason(f"killed: from outside, or out of memory, whose limit is {self._memory}")
        elif state.get("Error") or str(state.get("StartedAt", "")).startswith(_NEVER):
            if self._unsent or self._is_stopping:
                return _OF_SIGNALS + (self._unsent or signal.SIGTERM)
            errors = str(state.get("Error") or self._start_errors)
            self._report(errors or "the container was created, but not started")
            return code or _CANNOT_CREATE
        elif code in {_NOT_FOUND, _NOT_EXECUTABLE} and self._command[:2] != ["/bin/sh", "-c"]:
            what = "command not found in" if code == _NOT_FOUND else "cannot be executed in"
            self._write_reason(f"{self._command[0]}: {what} the image {self._image}")
        return code

    def _add_log(self, code: int) -> None:
        """Pass on what init and entry point have written to the engine: it is not the command's."""
        log = _run([self._program, "logs", self._folder.id])
        lines = (log.stdout + log.stderr).splitlines()
        for line in lines:
            _warn(line)
        is_of_init = code in _INIT_FAILED and bool(lines)
        self._lacks_shell = is_of_init and any(one in lines[-1] for one in _NO_SHELL)

    @property
    def _name(self) -> str:
        return os.path.basename(self._program)

    def _report(self, errors: str) -> None:
        self._write_reason(problem(errors, self._name, self._image, self._command[0]))

    def _write_reason(self, text: str) -> None:
        replace_file(self._folder.end_reason, text.encode(errors="replace"), sync=False)


def _run(argv: Sequence[str], env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the client; what it writes to standard error is passed on as it comes if it pulls an image."""
    with subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=env,
        text=True,
        errors="replace",
    ) as client:
        assert client.stderr is not None and client.stdout is not None  # noqa: PT018, S101 - pipes
        errors = ""
        for line in client.stderr:
            errors = (errors + line)[-8192:]
            if "create" in argv[1]:
                _warn(line.rstrip("\n"))
        output = client.stdout.read()
    return subprocess.CompletedProcess(argv, client.returncode, output, errors)


def _warn(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - the log of the workload
