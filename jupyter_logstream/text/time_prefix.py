"""Time prefix of a line: the timestamp that programs write before a message. Kernels; stdlib, no I/O.

The page has the same rule (js/src/text/time-prefix.ts); tests/vectors/time_prefixes.json tests both.
"""

from __future__ import annotations

import re

_CLOCK = r"\d\d:\d\d:\d\d(?:[.,]\d+)?"
_DATE = r"\d{4}[-/]\d\d[-/]\d\d"
_MOMENT = (
    rf"(?:{_DATE}|\d\d/\d\d/\d\d)[T ]{_CLOCK}|{_DATE}|[A-Z][a-z][a-z] [ \d]\d {_CLOCK}|{_CLOCK}|\d{{1,2}}:\d\d[AP]M"
)
_TIME = re.compile(
    rf"[ \t]*[\[(]?(?:{_MOMENT})(?:Z| ?[+-]\d\d:?\d\d| UTC)?(?:[\])][ \t]*|[ \t]+|$)(?:[-|][ \t]+)?", re.ASCII
)


def without_time(line: str) -> str:
    """The line without its time prefix and the separator behind that; unchanged if it has none."""
    found = _TIME.match(line)
    return line[found.end() :] if found else line
