"""Supervisor of one container: creates it, passes its output on, ends as it ended. Child process of a runner; stdlib.

`main([FOLDER, PYTHON, PROGRAM, OPTION ..., IMAGE, "--", COMMAND ...])`, with docker or podman as PROGRAM. The
container's name is the workload's id. It is created, then started, so that reports of the engine are not taken for the
command's output. The engine's client can end before the container (a restarted daemon): it is attached again. The
runner removes the container.

With a terminal the command writes to the runner's own two terminals, which are mounted as devices: the engine has only
one for both outputs, and it does not carry the output at all.
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

from ..model.protocol import CALL_VARIABLE, WORKLOAD_VARIABLE
from ..model.workload import WorkloadSpec
from ..store.disk.files import replace_file
from ..store.disk.folder import Folder
from ..wire.container_errors import problem

ARCHIVE = "runner.pyz"
"""In the folder of a function's workload, for the interpreter of the image."""

_ANSWER_TIMEOUT_S = 30.0
_RETRY_S = 1.0
_CANNOT_CREATE = 125  # as `docker run`
_NOT_EXECUTABLE, _NOT_FOUND = 126, 127
_FIRST_SIGNAL_CODE, _LAST_SIGNAL_CODE = 129, 192
_STDOUT, _STDERR = "/dev/logstream-stdout", "/dev/logstream-stderr"
_TO_TERMINALS = f'exec "$@" >{_STDOUT} 2>{_STDERR}'
_NEVER = "0001-01-01"  # StartedAt of a container that was not started
# The client itself reads these, so they reach the container by a file.
_CLIENT_VARIABLES = ("CONTAINER", "DOCKER", "HOME", "LD_", "PATH", "REGISTRY", "SSL_", "TMPDIR", "XDG_")


def main(arguments: Sequence[str]) -> int:
    """Run the container to its end. Returns its exit code, or ends by the signal that ended it."""
    folder, python, program, *rest = arguments
    split = rest.index("--")
    supervisor = Supervisor(Folder(Path(folder)), program, rest[:split], rest[split + 1 :])
    signal.signal(signal.SIGTERM, supervisor.stop)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # it ends by the container's signal
    code = supervisor.run(python)
    if _FIRST_SIGNAL_CODE <= code <= _LAST_SIGNAL_CODE:
        number = code - _FIRST_SIGNAL_CODE + 1
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
        self._is_stopping = False

    def stop(self, *_: object) -> None:
        """TERM was sent to the whole tree: the attached client passes it on."""
        self._is_stopping = True

    def run(self, python: str) -> int:
        """The exit code of the container; 128 and the signal's number if a signal ended it."""
        spec, _ = self._folder.read_spec()
        if CALL_VARIABLE in os.environ:
            from .localize import call_command  # noqa: PLC0415 - only functions need it

            self._command = call_command(python, str(self._folder.path / ARCHIVE))
        created = self._create(spec)
        if created.returncode:
            if self._is_stopping:
                return 128 + signal.SIGTERM
            self._report(created.stderr)
            return _CANNOT_CREATE
        interactive = ["--interactive"] if spec.stdin else []
        subprocess.call([self._program, "start", "--attach", *interactive, self._folder.id])
        return self._end(self._wait())

    def _create(self, spec: WorkloadSpec) -> subprocess.CompletedProcess[str]:
        """Create the container; the engine pulls its image if it is missing, and its progress is in the log."""
        values = {
            **spec.env,
            **{name: os.environ[name] for name in (WORKLOAD_VARIABLE, CALL_VARIABLE) if name in os.environ},
        }
        values.setdefault("TINI_KILL_PROCESS_GROUP", "1")  # docker's init then passes TERM to the command's whole group
        by_file = {name: value for name, value in values.items() if name.startswith(_CLIENT_VARIABLES)}
        by_name = {name: value for name, value in values.items() if name not in by_file}
        variables = self._folder.path / "container.env"
        replace_file(variables, "".join(f"{n}={v}\n" for n, v in by_file.items()).encode(errors="surrogateescape"))
        names = [f"--env={name}" for name in by_name]
        stdin = ["--interactive"] if spec.stdin else []
        devices, command = self._terminals() if spec.tty else ([], self._command)
        argv = [*self._options, *names, f"--env-file={variables}", *stdin, *devices, self._image, *command]
        try:
            return _run([self._program, "create", *argv], {**os.environ, **by_name})
        finally:
            variables.unlink()

    def _terminals(self) -> tuple[list[str], list[str]]:
        """The mounts of the runner's terminals, and the command that writes to them."""
        mounts = [f"--volume={os.ttyname(fd)}:{path}" for fd, path in ((1, _STDOUT), (2, _STDERR))]
        return mounts, ["/bin/sh", "-c", _TO_TERMINALS, "sh", *self._command]

    def _wait(self) -> Mapping[str, Any]:
        """The state of the container once it has ended; empty if it is gone. Attaches again while it runs."""
        is_reported = False
        while True:
            state = self._state()
            if state is not None and not state.get("Running"):
                return state
            if state is None and not is_reported:
                is_reported = True
                _warn(f"{self._name} does not answer; the container can go on. Waiting for {self._name}")
            elif state is not None:
                _warn(f"{self._name}'s client ended before the container; what a pipe carried meanwhile is missing")
                subprocess.call([self._program, "attach", "--no-stdin", self._folder.id])
            time.sleep(_RETRY_S)

    def _state(self) -> Mapping[str, Any] | None:
        """The container's state from the engine; empty if there is none, None if the engine does not answer."""
        found = _run([self._program, "container", "inspect", "--format={{json .State}}", self._folder.id])
        if found.returncode == 0:
            state: Mapping[str, Any] = json.loads(found.stdout)
            return state
        return {} if "no such container" in found.stderr.lower() else None

    def _end(self, state: Mapping[str, Any]) -> int:
        """The exit code, and the reason where the code is not enough."""
        code = int(state.get("ExitCode", 128 + signal.SIGKILL))
        if not state and not self._is_stopping:
            self._write_reason("the container was removed while it ran")
        elif state.get("OOMKilled") and code:
            self._write_reason("out of memory: the container reached its limit; raise the option memory")
        elif state.get("Error") or str(state.get("StartedAt", "")).startswith(_NEVER):
            if self._is_stopping:
                return 128 + signal.SIGTERM
            self._report(str(state.get("Error", "")))
        elif code in {_NOT_FOUND, _NOT_EXECUTABLE} and self._command[:2] != ["/bin/sh", "-c"]:
            what = "command not found in" if code == _NOT_FOUND else "cannot be executed in"
            self._write_reason(f"{self._command[0]}: {what} the image {self._image}")
        return code

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
