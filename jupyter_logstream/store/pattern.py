"""Text patterns: a text or a regular expression, searched in one text or in a block of lines at once. Server; no I/O.

The engine is RE2: its time is linear in the text, so no expression can hang, and it releases the interpreter's lock
while it searches. docs/reference/expressions.md describes the syntax; the page translates the same syntax
(js/src/protocol/expression.ts), and tests/vectors/filters.json tests both.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import re2

_MAX_PROGRAM_BYTES = 4 << 20  # of a compiled expression and its states; with more states RE2 is slower, not wrong

_MIN_SLICE_BYTES, _MAX_SLICE_BYTES = 64 * 1024, 16 << 20  # of a block that is searched between two checks
_SLICE_S = 0.05  # processor time that is too long between two checks

Check = Callable[[], None]
"""Raises what is to end a search."""

_UNANCHORED, _AT_START = re2._Anchor.UNANCHORED, re2._Anchor.ANCHOR_START  # noqa: SLF001 - see `_Engine`
_Engine = Callable[[Any, bytes, int, int], list[tuple[int, int]]]
"""The engine without its wrapper, whose objects for each match cost more than the search for it."""

# A quotation, an escape, a class or flags; all other characters of an expression stand for themselves here.
_TOKEN = re.compile(
    r"\\Q(?s:.*?)(?:\\E|\Z)"
    r"|\\[pP]\{[^}]*\}?|\\(?s:.)"
    r"|\[\^?\]?(?:\[:\^?[a-z]+:\]|\\(?s:.)|[^\]\\])*\]"
    r"|\(\?[imsU-]+[:)]"
)
_SPACE = r"\t\f\r "  # \s without the line feed
_WITHOUT_LINE_FEED = {r"\s": f"[{_SPACE}]", r"\D": r"[^\n0-9]", r"\W": r"[^\n0-9A-Za-z_]"}
_WITHOUT_ANYWAY = re.compile(r"\\(?:Q[^\n]*|[dwSbBtfrav]|[^0-9A-Za-z\n])|[$^]|\(.*")
_CLASS_ESCAPE = re.compile(r"\\(.)(?=(-?))")


class BadPattern(ValueError):
    """A pattern is malformed or uses what the syntax does not have. The text continues "q ..."."""


class _MatchesLineFeed(Exception):
    """A part of an expression matches line feeds, or it is not known whether it does."""


class Pattern:
    """A compiled pattern. `q`: `/expression/`, or a text.

    A text with a capital letter is matched with its case; any other ignores case (Unicode's simple case folding).
    Raises BadPattern.
    """

    def __init__(self, q: str) -> None:
        expression = expression_of(q)
        if expression is None:
            source = ("(?i)" if q == q.lower() != q.upper() else "") + _escaped(q)
        else:
            source = _TOKEN.sub(_as_re2, expression)
        self._in_text = _compiled(source)  # the others are compiled where they are needed, off the event loop
        self._of_line = _TOKEN.sub(_anchored_in_line, source)
        self._slice_bytes = _MIN_SLICE_BYTES

    @cached_property
    def _in_block(self) -> _Engine:
        return _compiled(f"(?m)(?:{self._of_line})", never_nl=True)

    @cached_property
    def _run(self) -> _Engine | None:
        return _compiled_run(self._of_line)

    def contains(self, text: str) -> bool:
        """Whether a text matches."""
        data = text.encode("utf-8", "replace")
        return self._in_text(_UNANCHORED, data, 0, len(data))[0][0] >= 0

    def lines_in(self, block: bytes, number: int, check: Check) -> Iterator[range]:
        """The numbers of the matching lines, from 0, in ranges.

        `block`: so many lines in UTF-8, each with its line feed. `check` is called often. Where the line behind a match
        matches, too, one call finds all that follow.
        """
        at = line = following = 0
        while at < len(block):
            check()
            before = time.thread_time()
            end = block.find(b"\n", at + self._slice_bytes) + 1 or len(block)
            while at < end:
                start, stop = self._in_block(_UNANCHORED, block, at, end)[0]
                if not 0 <= start < end:
                    line, at = line + (block.count(b"\n", at, end) if end < len(block) else 0), end
                    break
                line += block.count(b"\n", at, start)
                first = line
                run_end = -1
                if line == following and self._run is not None:
                    run_end = self._run(_AT_START, block, at, end)[0][1]
                if run_end > at:  # else RE2 matched within a character (\B), which a run cannot
                    line = number if run_end == len(block) else line + block.count(b"\n", at, run_end)
                    at = run_end
                else:
                    line, at = line + 1, block.find(b"\n", stop) + 1
                following = line
                yield range(first, line)
            self._learn(time.thread_time() - before)

    def _learn(self, spent_s: float) -> None:
        """Choose how much is searched between two checks: with very many states RE2 needs seconds for a megabyte."""
        if spent_s < _SLICE_S / 10:
            self._slice_bytes = min(self._slice_bytes * 4, _MAX_SLICE_BYTES)
        elif spent_s > _SLICE_S:
            self._slice_bytes = max(self._slice_bytes // 4, _MIN_SLICE_BYTES)


def expression_of(q: str) -> str | None:
    """The regular expression of a text between slashes; None for other text."""
    return q[1:-1] if len(q) > 1 and q.startswith("/") and q.endswith("/") else None


def _escaped(text: str) -> str:
    try:
        return str(re2.escape(text))
    except UnicodeEncodeError:
        raise BadPattern("holds half of a surrogate pair") from None


def _as_re2(token: re.Match[str]) -> str:
    r"""RE2's syntax with Python's `\Z`, without RE2's `\C`, which matches parts of characters."""
    if token[0] == r"\C":
        raise BadPattern(r"is not a regular expression: \C is not supported")
    if token[0].startswith(r"\Q") and not token[0].endswith(r"\E"):
        return token[0] + r"\E"  # more follows where it is compiled
    return r"\z" if token[0] == r"\Z" else token[0]


# --- blocks of lines --------------------------------------------------------------------------------------------------


def _anchored_in_line(match: re.Match[str]) -> str:
    """A token with the anchors of the text at those of the line, with the flag m and without s."""
    part = match[0]
    if part in {r"\A", r"\z"}:
        return "^" if part == r"\A" else "$"
    if not part.startswith("(?"):
        return part
    on, _, off = part[2:-1].translate({ord("m"): None, ord("s"): None}).partition("-")
    return f"(?{on}m{f'-{off}' if off else ''}{part[-1]}"


def _compiled_run(of_line: str) -> _Engine | None:
    """Adjacent lines that match; None if the expression could match a line feed itself, or is too large here."""
    try:
        if "\n" in of_line:
            return None
        return _compiled(rf"(?m)(?:.*(?:{_TOKEN.sub(_without_line_feed, of_line)}).*\n)+", longest_match=True)
    except (_MatchesLineFeed, BadPattern):
        return None


def _without_line_feed(match: re.Match[str]) -> str:
    token = match[0]
    if token in _WITHOUT_LINE_FEED:
        return _WITHOUT_LINE_FEED[token]
    if token.startswith("[^"):
        body = token[2:-1]
        return rf"[^\n\]{body[1:]}]" if body.startswith("]") else rf"[^\n{body}]"
    if token.startswith("["):
        if "[:" in token or any(char < " " for char in token):
            raise _MatchesLineFeed
        return _CLASS_ESCAPE.sub(_class_without_line_feed, token)
    if _WITHOUT_ANYWAY.fullmatch(token):
        return token
    raise _MatchesLineFeed


def _class_without_line_feed(match: re.Match[str]) -> str:
    escaped, dash = match[1], match[2]
    if escaped == "s" and not dash:
        return _SPACE
    if escaped in "dwS" or (escaped == "t" and not dash) or not escaped.isalnum():
        return match[0]
    raise _MatchesLineFeed


# --- engine -----------------------------------------------------------------------------------------------------------


def _compiled(expression: str, **options: bool) -> _Engine:
    chosen = re2.Options()
    chosen.log_errors, chosen.never_capture, chosen.max_mem = False, True, _MAX_PROGRAM_BYTES
    for name, value in options.items():
        setattr(chosen, name, value)
    try:
        engine: _Engine = re2.compile(expression, chosen)._regexp.Match  # noqa: SLF001 - see `_Engine`
    except UnicodeEncodeError:
        raise BadPattern("holds half of a surrogate pair") from None
    except re2.error as error:
        raise BadPattern(f"is not a regular expression: {_reason(error)}") from None
    finally:
        re2.purge()  # its cache would keep the last 128 expressions of all callers, with their states
    return engine


def _reason(given: Exception) -> str:
    """RE2's message, in front of it the name of what the syntax does not have."""
    error = given.args[0].decode("utf-8", "replace") if isinstance(given.args[0], bytes) else str(given)
    if re.search(r"\(\?<?[=!]", error):
        return f"lookaround is not supported: {error}"
    if re.search(r"\\[1-9k]", error):
        return f"backreferences are not supported: {error}"
    return error
