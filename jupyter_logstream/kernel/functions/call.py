"""A function as a workload: its text, its check, the upload of what is pickled. Runs in kernels, in user code."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Sequence
from reprlib import Repr
from types import ModuleType
from typing import Any

from ...wire.envelope import pack
from ..connection import call
from ..errors import CannotPickle
from .pickling import kernel_path, own_sources, pickle_call, versions

MAX_CALL_CHARS = 200
_MAX_ARGUMENT_CHARS = 40
_SMALL_BYTES = 1 << 20
"""A call up to this size is sent without a request for the server's limit before it."""


def call_fields(function: Callable[[], Any], by_value: Sequence[ModuleType] = ()) -> dict[str, Any]:
    """Upload the pickled function; returns the fields `command`, `call` and `payload` of its specification.

    Raises TypeError if it needs arguments, CannotPickle naming what cannot be pickled or the size, and LogStreamError.
    """
    _check_arguments(function)
    text = call_text(function)
    pickled, buffers = pickle_call(function, by_value)
    header = {**versions(), "call": text, "path": kernel_path(), "sources": own_sources(pickled)}
    envelope = b"".join(pack(header, [pickled, *buffers]))
    if len(envelope) > _SMALL_BYTES:
        _check_size(len(envelope), text)
    payload = call("POST", "payloads", raw=envelope, may_repeat=True).json()["id"]
    return {**_command(text), "payload": payload}


def plan_fields(function: Callable[[], Any]) -> dict[str, Any]:
    """The fields for a dry run, which uploads nothing. Raises TypeError if the function needs arguments."""
    _check_arguments(function)
    return _command(call_text(function))


def _command(text: str) -> dict[str, Any]:
    return {"command": [sys.executable, "-m", "jupyter_logstream.kernel.functions.child"], "call": text}


def call_text(function: object) -> str:
    """The call as code, short: `train(lr=0.1)`."""
    args: list[str] = []
    while isinstance(function, functools.partial):
        positional = [_short(value) for value in function.args]
        named = [f"{name}={_short(value)}" for name, value in function.keywords.items()]
        args = [*positional, *args, *named]
        function = function.func
    if described := getattr(function, "__logstream_call__", None):
        return str(described)[:MAX_CALL_CHARS]
    text = f"{_name(function)}({', '.join(args)})"
    return text if len(text) <= MAX_CALL_CHARS else text[: MAX_CALL_CHARS - 2] + "…)"


def _name(function: object) -> str:
    name = str(getattr(function, "__qualname__", type(function).__qualname__)).rpartition("<locals>.")[2]
    return "lambda: …" if name == "<lambda>" else name


def _short(value: object) -> str:
    short = Repr()
    short.maxstring = short.maxother = _MAX_ARGUMENT_CHARS
    try:
        text = " ".join(short.repr(value).split())
    except Exception:  # noqa: BLE001 - any __repr__ can raise anything
        text = f"<{type(value).__qualname__}>"
    text = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
    return text if len(text) <= _MAX_ARGUMENT_CHARS else text[: _MAX_ARGUMENT_CHARS - 1] + "…"


def _check_arguments(function: Callable[[], Any]) -> None:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # of a builtin: the call itself shows
        return
    try:
        signature.bind()
    except TypeError as error:
        name = call_text(function).partition("(")[0]
        raise TypeError(
            f"run() calls a function without arguments, and {name}: {error}; bind them: run(partial({name}, ...))"
        ) from None


def _check_size(size: int, text: str) -> None:
    limit = call("GET", "info").json().get("max_payload_bytes")
    if limit is not None and size > limit:
        raise CannotPickle(
            f"{text} has {size:,} bytes with all that it refers to, more than the {limit:,} that "
            "c.LogStream.max_payload_bytes allows. Load large data inside the function"
        )
