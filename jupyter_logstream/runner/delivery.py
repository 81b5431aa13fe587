"""Remote end of a delivery: receive a workload over standard input and start it at most once. Runner; stdlib.

`runner.pyz deliver ROOT`. ROOT holds `jobs/ID` (the workload's folder, as on the server's machine), `work/ID` (the
files that were sent with it: its directory) and `files/SHA256` (what was sent before, so that it is not sent again).
The files in `work` stay until the workload is deleted: its command may have written its results there.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..model.workload import WorkloadSpec, shell_join
from ..store.disk.files import make_private, read_file, replace_file
from ..store.disk.folder import Folder, RunParameters
from ..wire.delivery import HEAD_BYTES, Order, SentFile, body_size, message
from ..wire.runner_socket import request, socket_path
from . import detach
from .serve import serve

_PIECE_BYTES = 1 << 20
_COMMAND_TIMEOUT_S, _CANCEL_TIMEOUT_S = 60.0, 5.0
_CACHE_AGE_S = 30 * 86400
_SETUP = '{\n%s\n} || { echo "the setup of the backend failed" >&2; exit 125; }\nexec "$@"'
_JOB = "job"  # the file with the number of the job that was submitted
_ALREADY_STARTED = 3
_NO_CONTROLLER = re.compile("slurm controller|slurmctld|Socket timed out|Connection refused|Connection timed out")


class Refused(Exception):
    """The workload cannot be started here; the text is for people."""


class Unavailable(Exception):
    """The scheduler does not answer now; the text is for people."""


class Pipe:
    """Standard input and output as the pipe to the server; unbuffered, since the mirror continues on it."""

    def receive(self) -> dict[str, Any]:
        """The next message. Raises EOFError if the connection ended."""
        value: dict[str, Any] = json.loads(self.read(body_size(self.read(HEAD_BYTES))))
        return value

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes. Raises EOFError."""
        return b"".join(self.pieces(size))

    def pieces(self, size: int) -> Iterator[bytes]:
        """Exactly `size` bytes in pieces of at most 1 MiB. Raises EOFError."""
        while size:
            piece = os.read(0, min(size, _PIECE_BYTES))
            if not piece:
                raise EOFError
            yield piece
            size -= len(piece)

    def send(self, **fields: Any) -> None:
        """Send a message."""
        data = message(**fields)
        while data:
            data = data[os.write(1, data) :]


class Place:
    """The folders of workloads below `root` on this machine."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._cache = root / "files"

    def folder(self, workload_id: str) -> Folder:
        """The folder of a workload."""
        return Folder(self.root / "jobs" / workload_id)

    def work(self, workload_id: str) -> Path:
        """The directory of a workload's files."""
        return self.root / "work" / workload_id

    def was_started(self, workload_id: str) -> bool:
        """Whether the command may have run, or a job was submitted: then it must not be started again."""
        folder = self.folder(workload_id)
        return detach.was_started(folder) or (folder.path / _JOB).exists()

    def missing(self, order: Order) -> list[str]:
        """The hashes of the files that must be sent, each once."""
        make_private(self._cache)
        wanted = {blob.sha256: blob for blob in order.blobs()}
        return [sha256 for sha256, blob in wanted.items() if not self._cached(blob)]

    def store(self, blob: SentFile, pipe: Pipe) -> None:
        """Receive a file into the cache. Raises Refused if it changed while it was sent."""
        digest, new = hashlib.sha256(), self._cache / f".{blob.sha256}.{os.getpid()}"
        with open(new, "wb", opener=lambda path, flags: os.open(path, flags | os.O_EXCL, 0o600)) as out:
            for piece in pipe.pieces(blob.size):
                digest.update(piece)
                out.write(piece)
        if digest.hexdigest() != blob.sha256:
            new.unlink()
            raise Refused(f"files: {blob.path} changed while it was sent; start the workload again")
        new.rename(self._cache / blob.sha256)

    def add(self, blob: SentFile, source: Path) -> None:
        """Copy a file that came with the runner into the cache. OSError."""
        new = self._cache / f".{blob.sha256}.{os.getpid()}"
        shutil.copyfile(source, new)
        new.chmod(0o600)
        new.rename(self._cache / blob.sha256)

    def start(self, order: Order) -> dict[str, Any]:
        """Start the workload, unless an earlier order did. Returns the answer. Raises Refused, OSError."""
        with self._lock():
            job = self.folder(order.id).path / _JOB
            if self.was_started(order.id):
                if order.submit and not job.exists():  # its submission was interrupted
                    replace_file(job, _output(order.lookup).encode())
                return self._found(order.id)
            self._create(order)
            if order.submit:
                replace_file(job, self._submit(order).encode())
            else:
                detach.start(self.folder(order.id))
            return self._found(order.id)

    def find(self, workload_id: str) -> dict[str, Any]:
        """Where the workload runs, if it was started."""
        with self._lock():
            return self._found(workload_id) if self.was_started(workload_id) else {"found": False}

    def ids(self) -> list[str]:
        """The workloads that have files here."""
        folders = self.root / "jobs", self.root / "work"
        return sorted({path.name for folder in folders if folder.is_dir() for path in folder.iterdir()})

    def forget(self, workload_id: str) -> None:
        """Delete everything of a workload but what others use, too."""
        for path in self.folder(workload_id).path, self.work(workload_id):
            shutil.rmtree(path, ignore_errors=True)

    def _found(self, workload_id: str) -> dict[str, Any]:
        job = b""
        with suppress(FileNotFoundError):
            job = read_file(self.folder(workload_id).path / _JOB)
        folder = str(self.folder(workload_id).path)
        return {"found": True, "job": job.decode(), "node": socket.gethostname(), "folder": folder}

    def _cached(self, blob: SentFile) -> bool:
        path = self._cache / blob.sha256
        try:
            os.utime(path)  # used now: it stays
            return path.stat().st_size == blob.size
        except OSError:
            return False

    def _create(self, order: Order) -> None:
        """Create the workload's folder and its work folder; what an earlier attempt left is replaced."""
        folder, work = self.folder(order.id), self.work(order.id)
        for leftover in folder.path, folder.path.with_name(f".{order.id}"), work:
            shutil.rmtree(leftover, ignore_errors=True)
        if order.files:
            make_private(work)
            for file in order.files:
                self._place(file, work / file.path)
        make_private(folder.path.parent)
        folder.create(localized(WorkloadSpec(**order.spec), order, work), order.created)
        if order.call is not None:
            shutil.copyfile(self._cache / order.call.sha256, folder.call)
            folder.call.chmod(0o600)
        folder.write_run(RunParameters(**order.run))
        self._expire()

    def _place(self, file: SentFile, target: Path) -> None:
        """A copy of a cached file: a link would let the workload change the cache."""
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self._cache / file.sha256, target)
        target.chmod(0o700 if file.executable else 0o600)

    def _expire(self) -> None:
        """Delete cached files that no workload used for 30 days, and what broken transfers left."""
        oldest = time.time() - _CACHE_AGE_S
        for path in self._cache.glob("*") if self._cache.is_dir() else ():
            with suppress(OSError):
                if path.stat().st_mtime < oldest:
                    path.unlink()

    def _submit(self, order: Order) -> str:
        """Submit the job, or find the one that an earlier order submitted before it was interrupted: its number."""
        folder = self.folder(order.id)
        script = folder.path / "script"
        replace_file(script, order.script.replace("@FOLDER@", shell_join([str(folder.path)])).encode())
        submit = [argument.replace("@FOLDER@", str(folder.path)) for argument in order.submit]
        return (_output(order.lookup) or _output([*submit, str(script)])).partition(";")[0]

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """One start at a time, so that two orders with the same id start one workload."""
        fd = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)


def deliver(root: str) -> int:
    """Handle one order, then serve the workload's folder on the same pipe. Returns the exit code."""
    pipe, place = Pipe(), Place(Path(root))
    order = Order.from_json(pipe.receive())
    try:
        answer = _handle(order, place, pipe)
    except Unavailable as error:
        answer = {"unavailable": str(error)}
    except Refused as error:
        answer = {"refused": str(error)}
    except OSError as error:
        answer = {"refused": f"{error.filename}: {error.strerror}" if error.filename else str(error)}
    pipe.send(**answer)
    is_served = order.do == "find" or (answer.get("found") and not answer["job"])
    return serve(str(place.folder(order.id).path), is_over=order.is_over) if is_served else 0


def _handle(order: Order, place: Place, pipe: Pipe) -> dict[str, Any]:
    if order.do == "list":
        return {"ids": place.ids(), "root": str(place.root)}
    if order.do == "forget":
        place.forget(order.id)
    elif order.do == "start":
        _receive_files(place, order, pipe)
        return place.start(order)
    return place.find(order.id)


def _receive_files(place: Place, order: Order, pipe: Pipe) -> None:
    need = [] if place.was_started(order.id) else place.missing(order)
    pipe.send(need=need)
    blobs = {blob.sha256: blob for blob in order.blobs()}
    for sha256 in need:
        place.store(blobs[sha256], pipe)


def localized(spec: WorkloadSpec, order: Order, work: Path) -> WorkloadSpec:
    """The spec with a directory and the environment of this machine, and with the setup before the command."""
    cwd = os.path.join(work if order.files else Path.home(), os.path.expanduser(spec.cwd))
    command: Any = spec.command if order.call is None else call_command(order.python, os.path.abspath(sys.argv[0]))
    if order.setup:
        shell = shutil.which("bash") or "/bin/sh"  # `source` is bash's
        command = [shell, "-c", _SETUP % order.setup, "setup", *replace(spec, command=command).argv]
    ambient = {} if order.submit else os.environ  # a job gets that of its node, when it starts
    return replace(spec, command=command, cwd=cwd, env={**ambient, **spec.env})


def call_command(python: str, archive: str) -> list[str]:
    """The command that runs a function from an archive, with an interpreter that may differ from the runner's."""
    boot = (
        "import sys; sys.path.insert(1, sys.argv.pop(1)); "
        "from jupyter_logstream.kernel.functions.elsewhere import main; sys.exit(main())"
    )
    return [os.path.expanduser(python), "-c", boot, archive]


def run_job(path: str) -> int:
    """Run the workload in a folder within the job of a scheduler, which ends with this process; returns its exit code.

    A job that the scheduler starts again is refused: its command has run.
    """
    folder = Folder(Path(path))
    if detach.was_started(folder):
        return _ALREADY_STARTED
    spec, created = folder.read_spec()
    value = {**replace(spec, env={**os.environ, **spec.env}).to_json(), "created": created}
    replace_file(folder.path / "spec.json", json.dumps(value).encode())
    detach.run_here(folder, on_stop=lambda: cancel_runner(folder))
    status, _ = folder.read_status()
    return status.exit_code if status.exit_code is not None else 0 if status.state == "succeeded" else 1


def cancel_runner(folder: Folder) -> None:
    """Let the runner end the workload, since the scheduler ends the job: it KILLs what is left after its own time."""
    with suppress(OSError), socket.socket(socket.AF_UNIX) as runner, socket_path(folder.control) as path:
        runner.settimeout(_CANCEL_TIMEOUT_S)
        runner.connect(path)
        runner.sendall(request("cancel", grace=folder.read_run().grace_s))
        runner.recv(4096)


def _output(command: Sequence[str]) -> str:
    """What a command prints. Raises Refused with its error text, if it fails or takes too long."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_COMMAND_TIMEOUT_S, check=False
        )
    except FileNotFoundError:
        raise Refused(f"{command[0]}: command not found on {socket.gethostname()}") from None
    except subprocess.TimeoutExpired:
        raise Unavailable(f"{command[0]} did not answer within {_COMMAND_TIMEOUT_S:g} s") from None
    if done.returncode:
        problem = Unavailable if _NO_CONTROLLER.search(done.stderr) else Refused
        raise problem(f"{command[0]}: {done.stderr.strip() or f'exit code {done.returncode}'}")
    return done.stdout.strip()
