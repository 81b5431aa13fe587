"""Program of a function's process: load the call, run it, write its result beside the log. Child process of a runner.

`python -m jupyter_logstream.kernel.functions.child`, with CALL_VARIABLE in its environment. It exits as the function
ended: 0, or 1 after an exception, whose traceback is on standard error. The result is complete before the process
exits, so it is there when the state is final.
"""

from __future__ import annotations

import linecache
import os
import pickle
import sys
import traceback
from collections.abc import Awaitable, Mapping, Sequence
from reprlib import Repr
from types import TracebackType
from typing import Any, NamedTuple

from ...model.protocol import CALL_VARIABLE
from ...wire.envelope import Part, pack, unpack
from ..errors import LogStreamError
from .pickling import check_versions, dumps, type_name, versions

CALL_FILE, RESULT_FILE = "call", "result"
MAX_REPR_CHARS = 200
_FOLDER = os.path.dirname(__file__) + os.sep
MAX_TRACEBACK_CHARS = 64_000
"""Of a longer traceback (of a deep recursion) the last characters are kept."""


class Outcome(NamedTuple):
    """How a call ended. `header`: kind, type, repr; `parts`: the pickled value or exception; `code`: exit code."""

    header: dict[str, Any]
    parts: Sequence[Part]
    code: int


def run_call(*, keep_path: bool = False) -> int:
    """Run the call of this process's workload; returns the exit code.

    `keep_path`: modules come from this interpreter's `sys.path`, since the kernel's is another machine's.
    """
    limit, _, folder = os.environ.pop(CALL_VARIABLE).partition(":")
    os.environ.setdefault("MPLBACKEND", "Agg")
    outcome = _run(os.path.join(folder, CALL_FILE), keep_path=keep_path)
    size = sum(len(memoryview(part).cast("B")) for part in outcome.parts)
    if size > int(limit):
        outcome = _too_large(outcome, size, int(limit))
    _write(os.path.join(folder, RESULT_FILE), outcome)
    return outcome.code


def _run(path: str, *, keep_path: bool) -> Outcome:
    try:
        function = _load(path, keep_path=keep_path)
    except Exception as error:  # noqa: BLE001 - loading runs the user's code: imports, __reduce__
        return _failed(error, "The call could not be loaded in its process." + _missing(error))
    try:
        value = function()
        if isinstance(value, Awaitable):
            import asyncio  # noqa: PLC0415 - the slowest import of all, and few functions need it

            value = asyncio.run(_await(value))
    except SystemExit as error:
        return _exited(error)
    except BaseException as error:  # noqa: BLE001 - whatever ends the user's function is its outcome
        return _failed(error)
    return _succeeded(value)


def _missing(error: Exception) -> str:
    """What to install, if the call is a notebook and this interpreter has no packages for it."""
    is_notebook = isinstance(error, ModuleNotFoundError) and str(error.name).endswith(".functions.notebook")
    return " Notebooks need a package here: pip install 'jupyter-logstream[notebook]'" if is_notebook else ""


def _load(path: str, *, keep_path: bool) -> Any:
    with open(path, "rb") as file:
        data = bytearray(os.fstat(file.fileno()).st_size)
        file.readinto(data)
    header, parts = unpack(data)
    check_versions(header, "the call")
    if not keep_path:
        sys.path[:] = header["path"]
    sys.argv[:] = [header["call"]]
    for name, lines in header["sources"].items():
        linecache.cache[name] = sum(map(len, lines)), None, lines, name
    return pickle.loads(parts[0], buffers=parts[1:])  # noqa: S301 - written by the user's own kernel


async def _await(value: Awaitable[Any]) -> Any:
    return await value


# --- outcomes ---------------------------------------------------------------------------------------------------------


def _succeeded(value: object) -> Outcome:
    try:
        pickled, buffers = dumps(value)
    except (Exception, RecursionError) as error:  # noqa: BLE001 - any __reduce__ can raise anything
        text = f"the result ({type_name(type(value))}) cannot be pickled: {type(error).__name__}: {error}"
        return _text("CannotPickle", f"{text}. Return what it is made from, or write it to a file", "")
    shown = getattr(type(value), "__logstream_type__", None) or type_name(type(value))
    header = {"kind": "value", "type": shown, "repr": short_repr(value)}
    return Outcome(header, [pickled, *buffers], 0)


def _failed(error: BaseException, introduction: str = "") -> Outcome:
    """Report the exception as the interpreter would, and pickle it if it survives a round trip."""
    if introduction:
        print(introduction, file=sys.stderr)  # noqa: T201 - the log of the workload
    frames = _own_frames(error.__traceback__)
    error.__traceback__ = frames
    text = "".join(traceback.format_exception(type(error), error, frames))[-MAX_TRACEBACK_CHARS:]
    if sys.excepthook is sys.__excepthook__:  # which reads source lines from files only, and cells have none
        print(text, end="", file=sys.stderr)  # noqa: T201 - the log of the workload
    else:
        sys.excepthook(type(error), error, frames)
    if isinstance(error, Exception):
        try:
            pickled, buffers = dumps(error)
            copy = pickle.loads(pickled, buffers=buffers)  # noqa: S301 - just pickled
            if type(copy) is type(error) and str(copy) == str(error):
                header = {"kind": "exception", "type": type_name(type(error)), "repr": short_repr(error)}
                return Outcome({**header, "traceback": text}, [pickled, *buffers], 1)
        except (Exception, RecursionError):  # noqa: BLE001, S110 - exceptions of libraries fail here in all ways: as text
            pass
    return _text(type_name(type(error)), _message(error), text, show=False)


def _exited(error: SystemExit) -> Outcome:
    """`sys.exit()` in the function: its exit code, and what the interpreter would print."""
    code = error.code
    if code is not None and not isinstance(code, int):
        print(code, file=sys.stderr)  # noqa: T201 - as the interpreter does
    number = code & 0xFF if isinstance(code, int) else int(code is not None)
    return _text("SystemExit", f"the function called sys.exit({code!r})", "", show=False)._replace(code=number)


def _too_large(outcome: Outcome, size: int, limit: int) -> Outcome:
    text = (
        f"the result ({outcome.header['type']}) has {size:,} bytes, more than the {limit:,} that "
        "c.LogStream.max_payload_bytes allows. Write it to a file and return its path"
    )
    return _text("ResultTooLarge", text, "")


def _text(kind: str, message: str, trace: str, *, show: bool = True) -> Outcome:
    if show:
        print(message, file=sys.stderr)  # noqa: T201 - the log of the workload
    header = {"kind": "text", "type": kind, "repr": message[:MAX_REPR_CHARS], "message": message[:MAX_TRACEBACK_CHARS]}
    return Outcome({**header, "traceback": trace}, [], 1)


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as failure:  # noqa: BLE001 - any __str__ can raise anything
        return f"<its text cannot be shown: {type(failure).__name__}>"


def _own_frames(frames: TracebackType | None) -> TracebackType | None:
    """The traceback from the user's first frame on."""
    while frames is not None and frames.tb_frame.f_code.co_filename.startswith(_FOLDER):
        frames = frames.tb_next
    return frames


def short_repr(value: object) -> str:
    """A repr of at most MAX_REPR_CHARS; large containers are not walked through."""
    short = Repr()
    short.maxstring = short.maxother = short.maxlong = MAX_REPR_CHARS
    try:
        return " ".join(short.repr(value).split())[:MAX_REPR_CHARS]
    except Exception as error:  # noqa: BLE001 - any __repr__ can raise anything
        return f"<{type_name(type(value))}: its repr raised {type(error).__name__}>"


def _write(path: str, outcome: Outcome) -> None:
    """Write the result, whole or not at all. Durable if it is small; a large one would wait for the disk."""
    header: Mapping[str, Any] = {**versions(), **outcome.header}
    draft = path + ".new"
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with open(fd, "wb", buffering=0) as file:
        size = 0
        for chunk in pack(header, outcome.parts):
            rest = memoryview(chunk)
            size += len(rest)
            while rest:
                rest = rest[file.write(rest) :]
        if size <= _SYNCED_BYTES:
            os.fsync(fd)
    os.replace(draft, path)


_SYNCED_BYTES = 1 << 20

if __name__ == "__main__":
    try:
        exit_code = run_call()
    except (OSError, LogStreamError) as problem:
        print(f"The result could not be stored: {problem}", file=sys.stderr)  # noqa: T201 - the log of the workload
        exit_code = 1
    sys.exit(exit_code)
