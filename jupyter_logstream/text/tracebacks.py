"""Traceback grammar: where a traceback begins, continues and ends, and its title. Any process; stdlib, no I/O.

Languages: Python (chains, exception groups), Java, JavaScript, C#, Go, Rust, Ruby. A prefix that a launcher puts before
every line (`[rank0]: `, `(pid=12) `, `app-1  | `) must precede all lines of a traceback. The grammar is a state machine
over lines without colours and line ends: `begin` opens it, `follow` moves it on. The page has the same grammar
(js/src/text/tracebacks.ts); tests/vectors/tracebacks.json tests both. This file must not know levels, records or files.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple, Union

TITLE, PART, PENDING, BLANK = "title", "part", "pending", "blank"
"""Roles of a line: the (newest) title; a part; a part only if a title or part follows; an empty line, likewise."""


class State(NamedTuple):
    """Where the machine is: the name of a rule set, and the prefix that every line has."""

    name: str
    prefix: bytes


class TracebackLine(NamedTuple):
    """One line of a traceback: the state after it, its role, and the title where it has one."""

    state: State
    role: str
    title: bytes = b""


class Traceback(NamedTuple):
    """A whole traceback: how many lines it has, and its title: the exception that was not caught, or its root cause."""

    length: int
    title: str


MAX_LINE_BYTES = 500
"""Bytes of a line that are judged. Every pattern is linear in them."""
_MAX_PREFIX_BYTES = 64
PREFIX = rb"\[[^\]\s]{1,40}\]: ?|\([^()]{1,60}\) |[\w.-]{1,40} +\| ?"
"""What a launcher puts before every line."""
_PREFIX = re.compile(PREFIX)
_HEADER = b"Traceback (most recent call last):"
_PYTHON = re.compile(rb"(?P<group>\s*\+ Exception Group )?Traceback \(most recent call last\):\s*$")
_NAME = rb"[A-Za-z_]\w*(?:\.(?:[A-Za-z_]\w*|<locals>))*"
_RAISED = re.compile(rb"(?!(?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING)\b)" + _NAME + rb"(?::\s|:?\s*$)")
_GROUP_TITLE = re.compile(rb"\s*\|\s((?:[\w.]+\.)?\w*(?:Group|Error|Exception)\b.*)")
_CHAIN = re.compile(
    rb"During handling of the above exception, another exception occurred:\s*$"
    rb"|The above exception was the direct cause of the following exception:\s*$"
)
_THROWN = re.compile(rb"(?:Error|Exception|Throwable)\b")
_INTRODUCTION = re.compile(rb"Exception in thread \"[^\"]*\" |Unhandled exception\. |Uncaught ")
_FRAME = re.compile(rb"\s+at \S")
_MORE = re.compile(rb"\s*(?:\.\.\. \d+ (?:more|common frames omitted)|Suppressed: |--- End of .* ---$)")
_CAUSE = re.compile(rb"\s*(?:Caused by: |\[cause\]: |---> )(.*)")
_GO = re.compile(rb"(?:panic|fatal error): \S")
_GOROUTINE = re.compile(rb"(?:goroutine \d+ \[.*\]|runtime stack):$")
_GO_CALL = re.compile(rb"[\w./-][^\s(]*\(.*\)$|created by ")
_GO_EXIT = re.compile(rb"exit status \d+$")
_RUST = re.compile(rb"thread '[^']{1,60}'(?: \(\d+\))? panicked at (?:(?P<title>.*[^:])|.*:)$")
_RUST_NOTE = re.compile(rb"note: |stack backtrace:$")
_RUBY = re.compile(rb"\S+:\d+:in [`'][^']*': (.+ \([\w:]+\))$")
_RUBY_FRAME = re.compile(rb"\s+(?:from \S|\.\.\. \d+ levels\.\.\.)")
_INDENTED = re.compile(rb"[ \t]+\S")
_BETWEEN = re.compile(rb"\s*(?:\"\"\"\s*)?$")  # a RemoteTraceback is quoted

_Moved = Union[tuple[str, str], tuple[str, str, bytes], None]  # the next rule set, the line's role, its title


def begin(line: bytes, *, is_error: bool = False) -> TracebackLine | None:
    """The reading of a line that can open a traceback; None for every other line.

    `is_error`: the line has the level error, so that frames can follow it whatever its text.
    """
    line = line[:MAX_LINE_BYTES]
    found = _PREFIX.match(line)
    prefix = found[0] if found else b""
    if _HEADER in line:
        return _begin_python(line, prefix)
    text = line[len(prefix) :]
    if _GO.match(text):
        return TracebackLine(State("go", prefix), PENDING, text)
    if panic := _RUST.match(text):
        return TracebackLine(State("rust notes" if panic["title"] else "rust", prefix), PENDING, panic["title"] or b"")
    if error := _RUBY.match(text):
        return TracebackLine(State("ruby", prefix), PENDING, error[1])
    if is_error or (_THROWN.search(text) and not _FRAME.match(text)):
        return TracebackLine(State("frames", prefix), PENDING, _INTRODUCTION.sub(b"", text, count=1))
    return None


def _begin_python(line: bytes, prefix: bytes) -> TracebackLine | None:
    if header := _PYTHON.match(line, len(prefix)):
        return TracebackLine(State("group" if header["group"] else "python", prefix), PENDING)
    at = line.find(_HEADER)
    if at <= _MAX_PREFIX_BYTES and _PYTHON.match(line, at):  # any other prefix, such as a logger's name
        return TracebackLine(State("python", line[:at]), PENDING)
    return None


def follow(state: State, line: bytes) -> TracebackLine | None:
    """The reading of the next line; None where the line is no part of the traceback."""
    line = line[:MAX_LINE_BYTES]
    if line.startswith(state.prefix):
        text = line[len(state.prefix) :]
    elif line == state.prefix.rstrip():  # an empty line whose trailing white space was stripped
        text = b""
    else:
        return None
    moved = _RULES[state.name](text)
    return None if moved is None else TracebackLine(State(moved[0], state.prefix), *moved[1:])


def read_traceback(lines: Iterable[bytes], *, is_error: bool = False) -> Traceback | None:
    """The traceback that begins with the first of `lines`; None if the first line opens none, or none is complete."""
    length, title, pending_title, state = 0, b"", b"", None
    for count, line in enumerate(lines, start=1):
        step = begin(line, is_error=is_error) if state is None else follow(state, line)
        if step is None:
            break
        state = step.state
        pending_title = step.title or pending_title
        if step.role in {TITLE, PART}:
            length, title = count, pending_title
    return Traceback(length, title.decode("utf-8", "replace").strip()) if title else None


def _python(text: bytes) -> _Moved:
    return ("python frames", PENDING) if _INDENTED.match(text) else None


def _python_frames(text: bytes) -> _Moved:
    if text[:1] in {b" ", b"\t"}:
        return "python frames", PENDING
    return ("python raised", TITLE, text) if _RAISED.match(text) else None


def _python_raised(text: bytes) -> _Moved:
    if _INDENTED.match(text):
        return "python raised", PART
    return _python_end(text)


def _python_end(text: bytes) -> _Moved:
    if _BETWEEN.match(text):
        return "python end", BLANK
    return ("python chain", PENDING) if _CHAIN.match(text) else None


def _python_chain(text: bytes) -> _Moved:
    if not text.strip():
        return "python chain", PENDING
    found = _PYTHON.match(text)
    return None if found is None else ("group" if found["group"] else "python", PENDING)


def _group(text: bytes) -> _Moved:
    if title := _GROUP_TITLE.match(text):
        return "group frames", TITLE, title[1]
    return ("group", PENDING) if _INDENTED.match(text) else None


def _group_frames(text: bytes) -> _Moved:
    return ("group frames", PART) if _INDENTED.match(text) else _python_end(text)


def _frames(text: bytes) -> _Moved:
    if _FRAME.match(text):
        return "properties" if text.endswith(b"{") else "frames", PART
    if cause := _CAUSE.match(text):
        return "frames", TITLE, cause[1]
    return ("frames", PART) if _MORE.match(text) else None


def _properties(text: bytes) -> _Moved:
    """Node prints an error's own properties in braces, with the frames of its cause."""
    if cause := _CAUSE.match(text):
        return "properties", TITLE, cause[1]
    if text.rstrip() == b"}":
        return "frames", PART
    return ("properties", PART) if _INDENTED.match(text) else None


def _go(text: bytes) -> _Moved:
    if _GOROUTINE.match(text):
        return "go stack", PART
    if text.startswith((b"\tpanic: ", b"[signal ")):
        return "go", PENDING
    return None if text.strip() else ("go", BLANK)


def _go_stack(text: bytes) -> _Moved:
    if text.startswith(b"\t") or _GO_CALL.match(text):
        return "go stack", PART
    return _go_end(text)


def _go_end(text: bytes) -> _Moved:
    if _GOROUTINE.match(text):
        return "go stack", PART
    if _GO_EXIT.match(text):
        return "go end", PART
    return None if text.strip() else ("go end", BLANK)


def _rust(text: bytes) -> _Moved:
    return ("rust notes", TITLE, text) if text.strip() else None


def _rust_notes(text: bytes) -> _Moved:
    return ("rust notes", PART) if _RUST_NOTE.match(text) or _INDENTED.match(text) else None


def _ruby(text: bytes) -> _Moved:
    return ("ruby", PART) if _RUBY_FRAME.match(text) else None


_RULES: dict[str, Callable[[bytes], _Moved]] = {
    "python": _python,
    "python frames": _python_frames,
    "python raised": _python_raised,
    "python end": _python_end,
    "python chain": _python_chain,
    "group": _group,
    "group frames": _group_frames,
    "frames": _frames,
    "properties": _properties,
    "go": _go,
    "go stack": _go_stack,
    "go end": _go_end,
    "rust": _rust,
    "rust notes": _rust_notes,
    "ruby": _ruby,
}
