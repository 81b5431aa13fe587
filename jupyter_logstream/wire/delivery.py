"""Messages with which a workload is delivered to another machine, over the pipe to it. Server and runner; stdlib.

The server starts an interpreter there and writes a line of Python, `bootstrap()`. After that both sides send messages:
MARK, the length in LENGTH_DIGITS digits, a space, and a JSON object. What a login shell prints before is skipped.

    there  {"python": [3, 11, 2], "have": false}          before anything else; older than MIN_PYTHON: it ends here
    here   the bytes of runner.pyz, unless it has them    unpacked there, so that its modules are compiled once
                                                          then it continues as `runner.pyz deliver`
    here   {"id": ..., "spec": ..., ...}                  an Order as JSON
    there  {"need": ["sha256", ...]}                      with `do: start`: files that it does not have
    here   the bytes of those files, in this order
    there  {"found": true, "job": ..., "node": ...}       it was started, now or before; {"found": false};
                                                          {"refused": text}: it cannot be started there

With `do: list` the answer is {"ids": [...], "root": ...}, with `do: forget` {"found": false}. After an order that finds
or starts a runner the pipe continues as the mirror's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

MARK = b"\x1ejupyter-logstream "
"""Begins a message: no shell prints it."""

LENGTH_DIGITS = 10
HEAD_BYTES = len(MARK) + LENGTH_DIGITS + 1
MIN_PYTHON = (3, 9)
MAX_MESSAGE_BYTES = 64 << 20
"""Of an order with many files."""
MAX_NOISE_BYTES = 64 << 10
"""Of a login shell, before the first message."""

BOOT = 'import os,sys;f=os.fdopen(0,"rb",0);exec(f.readline())'
"""What `python -c` gets on the command line: it reads the bootstrap from its input, so no shell has to quote that."""

_BOOTSTRAP = """
import json, os, sys
def send(**message):
    body = json.dumps(message)
    os.write(1, ({mark!r} + "%0{digits}d " % len(body) + body).encode())
version = list(sys.version_info[:3])
if version < {minimum!r}:
    send(python=version)
    sys.exit(0)
try:
    root = os.path.expanduser({root!r})
    os.makedirs(root, 0o700, exist_ok=True)
    if os.stat(root).st_mode & 0o077:
        os.chmod(root, 0o700)
    path = os.path.join(root, {name!r})
    have = os.path.isdir(path)
    send(python=version, have=have)
    if not have:
        import io, shutil, zipfile
        archive, left = io.BytesIO(), {size!r}
        while left:
            data = f.read(min(left, 65536))
            if not data:
                sys.exit(1)
            archive.write(data)
            left -= len(data)
        new = "%s.%d" % (path, os.getpid())
        before = os.umask(0o077)
        zipfile.ZipFile(archive).extractall(new)
        os.umask(before)
        try:
            os.rename(new, path)
        except OSError:
            shutil.rmtree(new)
            if not os.path.isdir(path):
                raise
except OSError as error:
    send(refused="%s: %s" % (error.filename, error.strerror) if error.filename else str(error))
    sys.exit(0)
sys.argv[:] = [path, "deliver", root]
sys.path.insert(0, path)
from jupyter_logstream.runner.command import main
sys.exit(main(sys.argv[1:], path))
"""


@dataclass(frozen=True)
class SentFile:
    """A file that is sent along. `path`: relative to the work folder."""

    path: str
    sha256: str
    size: int
    executable: bool = False


@dataclass(frozen=True)
class Order:
    """What is to be done there. `do`: `start` a workload (at most once), `find` it, `forget` it, `list` all ids.

    `spec`, `created` and `run`: as in the folder of a workload here; `spec.env` has only the variables to add.
    `setup`: shell commands before the command. `files`: for the work folder. `call`: the pickled call of a function.
    `python`: the interpreter for the function of a `call`.
    `submit`: the command that submits `script` to a scheduler, and `lookup` the command that prints the number of a job
    that was submitted before; without them the runner is started on that machine.
    `is_over`: the scheduler's job has ended, so no runner can be alive.
    """

    do: Literal["start", "find", "forget", "list"]
    id: str = ""
    spec: Mapping[str, Any] = field(default_factory=dict)
    created: float = 0.0
    run: Mapping[str, Any] = field(default_factory=dict)
    setup: str = ""
    files: Sequence[SentFile] = ()
    call: SentFile | None = None
    python: str = ""
    submit: Sequence[str] = ()
    lookup: Sequence[str] = ()
    script: str = ""
    is_over: bool = False

    def to_json(self) -> dict[str, Any]:
        """As a message."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Order:
        """From a message of the same version."""
        given: dict[str, Any] = {name: tuple(item) if isinstance(item, list) else item for name, item in value.items()}
        given["files"] = tuple(SentFile(**one) for one in given["files"])
        given["call"] = None if given["call"] is None else SentFile(**given["call"])
        return cls(**given)

    def blobs(self) -> list[SentFile]:
        """All files to send, the call included."""
        return [*self.files, *([] if self.call is None else [self.call])]


@dataclass(frozen=True)
class DialPlan:
    """What a runner that connects to its server itself gets, as `order.json` of its package: a secret.

    `order`: a start, whose files are in the package. `root`: the folder of all workloads there. `url`: the WebSocket of
    this workload on the server, as http or https, "" if the server cannot be reached; `token`: gives access to it, and
    to nothing else; `ca`: certificates (PEM) to trust besides those of the machine. `echo_after_s`: seconds after which
    the output of a runner that has not reached the server is printed, for the engine's own log. `linger_s`: seconds for
    which the job of a workload that has ended waits for the server to copy the rest of its log.
    """

    order: Order
    root: str
    url: str
    token: str = field(repr=False)
    ca: str = ""
    echo_after_s: float = 20.0
    linger_s: float = 600.0

    def to_json(self) -> dict[str, Any]:
        """As stored in a package."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> DialPlan:
        """From a package of the same version."""
        return cls(**{**value, "order": Order.from_json(value["order"])})


def bootstrap(root: str, name: str, size: int) -> bytes:
    """The line of Python that receives an archive of `size` bytes, unpacks it as `root/name`, and continues in it."""
    source = _BOOTSTRAP.format(
        mark=MARK.decode(), digits=LENGTH_DIGITS, minimum=list(MIN_PYTHON), root=root, name=name, size=size
    )
    return f"exec({source!a})\n".encode()


def message(**fields: Any) -> bytes:
    """Encode a message."""
    body = json.dumps(fields).encode()
    return MARK + b"%0*d " % (LENGTH_DIGITS, len(body)) + body


def body_size(head: bytes) -> int:
    """The size of the body that follows the HEAD_BYTES of a message. Raises ValueError."""
    if not head.startswith(MARK):
        raise ValueError("no message begins here")
    size = int(head[len(MARK) :])
    if size > MAX_MESSAGE_BYTES:
        raise ValueError(f"a message has at most {MAX_MESSAGE_BYTES} bytes, not {size}")
    return size
