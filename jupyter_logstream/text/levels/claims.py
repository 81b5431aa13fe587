"""Claims: what one line of plain output says of its own level, as rules. Runs in the runner; stdlib, no I/O.

The first claim on a line decides; a line of JSON says it by its level key only; what claims nothing is unknown. Rules
look backwards as far as they like, but only a few bytes ahead, and tell how far: so a claim that lies wholly in a
line's beginning can be read off the beginning alone, which is what makes guessing quick (`levels`). Digits are all
alike to them, except where a number is the level. The table for users is docs/levels.md. This file must not know
files, readers, other lines, nor colours: it is given text without them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ...model.records import ALIASES

HEAD = 160
"""Bytes of a line that are looked at."""
JSON_HEAD = 1024
"""The same for a line that begins as a JSON object."""

UNKNOWN, DEBUG, INFO, WARN, ERROR, FATAL = 0, 2, 3, 4, 5, 6
MARKER = 7
"""In place of a level: the line is a step marker."""
NUMBER = 8
"""In place of a level: the line says it by a number that was asked about with its digits hidden."""

WORDS = {
    b"erro": ERROR, b"exception": ERROR, b"fail": ERROR, b"debu": DEBUG, b"dbug": DEBUG, b"trac": 1, b"trce": 1,
    b"trc": 1, b"fata": FATAL, b"ftl": FATAL, b"pani": FATAL, b"pnc": FATAL, b"log": INFO, b"note": INFO,
    b"failed": ERROR,
    **{name.encode(): code for name, code in ALIASES.items() if len(name) > 1},
}  # fmt: skip
_BEFORE_COLON = frozenset(
    b"err error warn warning info debug fatal crit critical trace panic severe notice alert emerg emergency exception "
    b"fail dbug trce".split()
)
_SPACE = frozenset([b" ", b"\t", b""])
_BEHIND_WORD = _SPACE | {b":", b"|", b"]", b")", b">"}
_LETTERS = {b"T": 1, b"D": DEBUG, b"I": INFO, b"N": INFO, b"W": WARN, b"E": ERROR, b"F": FATAL, b"C": FATAL}

# Words that are levels written in capitals; before a colon; in brackets or right behind the time.
_CAPITALS = (
    rb"ERR(?:OR|O|!)?|WARN(?:ING)?|INFO|DEBUG?|FATAL?|CRIT(?:ICAL)?|TRACE?|PANIC?|SEVERE|NOTICE|ALERT|EMERG(?:ENCY)?"
    rb"|VERBOSE|SUCCESS"
)
_BRIEF = rb"INF|WRN|DBG|TRC|FTL|PNC"  # too short to mean a level wherever they stand: INF is a number, too
SPOKEN = (
    rb"err(?:or)?|warn(?:ing)?|info|debug|fatal|crit(?:ical)?|trace|panic|severe|notice|alert|emerg(?:ency)?|exception"
)
BRACKETED = SPOKEN + rb"|erro|debu|fata|inf|wrn|dbg|trc|ftl|pnc|note|success|verbose"

CLOCK = rb"\d\d:\d\d:\d\d|\d:\d\d[AP]M"
_CLOCK = re.compile(CLOCK)
_CLOCK_JUST_BEFORE = re.compile(
    rb"(?:" + CLOCK + rb")(?:[.,:]\d+)?(?:Z| ?[+-]\d\d:?\d\d| UTC| [AP]M)?[\])]?[\s|:\[(<-]{1,8}\Z"
)
# What may end before a claim: bytes, those of characters that are not ASCII among them (arrows, boxes).
_SEPARATORS = frozenset(b":|])>*#") | frozenset(range(0x80, 0x100))
_BEFORE_CAPITALS = _SEPARATORS | frozenset(b"0123456789<([{}-")
_BEFORE_SPOKEN = _SEPARATORS | frozenset(b"[")

_BEGINNINGS = re.compile(
    rb"::(?P<marker>step|endstep|group|endgroup)::"
    rb"|::(?P<command>error|warning|notice|debug)(?: [^:]{0,120})?::"
    rb"|(?P<klog>[IWEF])\d{4}(?:\d{4})? \d\d:\d\d:\d"
    rb"|\[(?P<bracket>[TDINWEFC])(?: \d\d:\d\d:\d\d| \d{4}-\d\d-\d\d|\])"
    rb"|\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[.,]\d+ (?P<ray>[DIWECF]) \d"
    rb"|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?: (?P<tensorflow>[IWEF]) \w"
    rb"|(?P<ruby>[DIWEF]), \[\d{4}-"
    rb"|(?P<apt>[EWN]): [A-Z][a-z]{1,14} [a-z']"
    rb"|CMake (?P<cmake>Error|Warning)\b"
    rb"|npm (?P<npm>ERR!|WARN)"
    rb"|(?P<error>Exception in thread Thread-\d{1,9}(?: \(\w{1,60}\))?:$"
    rb"|Exception in thread \"[^\"]{0,60}\" [\w.$]{0,60}(?:Exception|Error)(?=:\s|:?$)"
    rb"|Exception ignored in: |Caused by: |make(?:\[\d{1,4}\])?: \*\*\* "
    rb"|thread '[^']{1,60}' panicked at |During handling of the above exception, another exception occurred:"
    rb"|The above exception was the direct cause of the following exception:)"
    rb"|(?:PHP |! ?)?(?:LaTeX |Package \w{1,40} )?"
    rb"(?P<prefixed>Fatal error|Parse error|Error|Warning|Deprecated|Notice):(?=  ?\D)"
)
_BEGINNING_CODES = {
    "error": ERROR, "warning": WARN, "notice": INFO, "debug": DEBUG, "err!": ERROR, "warn": WARN,
    "fatal error": FATAL, "parse error": ERROR, "deprecated": WARN,
}  # fmt: skip

# Where a claim may begin. What comes before it and behind it is weighed then.
_CANDIDATE = re.compile(
    rb"(?<![\w'-])(?:"
    rb"(?P<traceback>Traceback \(most recent call last\)(?=:|$))"
    rb"|(?:level|lvl|severity|levelname)=[\"']?(?P<value>[A-Za-z]{1,12})(?![A-Za-z])"
    rb"|(?P<raised>(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Warning))(?![\w.'=-])"
    rb"|(?P<capitals>" + _CAPITALS + rb"|LOG(?=:  )|FAIL(?:ED)?(?=: ))(?![\w'=])(?![.-]\w)(?!/(?![A-Z]))"
    rb"|(?P<brief>" + _BRIEF + rb")(?![\w'=.-])"
    rb"|(?P<spoken>(?i:" + BRACKETED + rb")|fail|dbug|trce)(?![\w'=])"
    rb")|(?<=[{,\s])[\"'](?:level|levelname|severity)[\"']: ?[\"'](?P<said>[A-Za-z]{1,12})[\"']"
)
_INITIALS = re.compile(rb"[ACDEFILNPSTVW][A-Z](?<![\w'-]..)")
_FIGURE = re.compile(rb":(?::|\S|\s{1,2}(?:[-+.]?\d|(?i:true|false|none|null|nan|inf|yes|no|on|off),?$))")
_CODED = re.compile(rb" [A-Z]{1,5}\d{2,5}:(?=\s|$)|\[\w{1,12}\]:")  # error TS2322: error[E0433]:

_JSON_KEY = re.compile(
    rb"[{,]\s*[\"'](?:"
    rb"(?:@?level|@l|lvl|levelname|level_name|log[._]?level|severity|severity_?text)[\"']\s*:\s*[\"'](?P<name>\w{1,12})[\"']"
    rb"|level[\"']:(?P<pino>\d\d)(?=,[\"']time[\"']:)|pid[\"']:\d{1,9},[\"']level[\"']:(?P<bunyan>\d\d)\b"
    rb"|levelno[\"']\s*:\s*(?P<python>\d\d)\b|severity_?number[\"']\s*:\s*(?P<otel>\d\d?)\b"
    rb"|s[\"']:\s*[\"'](?P<mongo>[DIWEF])\d?[\"'],\s*[\"']c[\"']:)",
    re.IGNORECASE,
)

Claim = tuple[int, int]  # the code, and how many bytes of the line say so
NOTHING: Claim = (UNKNOWN, 0)


def claim(line: bytes, *, shapeless: bool = False) -> Claim:
    """What a line says of its level, and how many of its bytes it takes to know that; (0, 0) when it says nothing.

    `line` is without colours and line end. `shapeless`: it has none of SHAPES, so that only capitals can be a claim.
    """
    if line[:1] == b"{":
        return _claim_of_json(line[:JSON_HEAD])
    head = line[:HEAD]
    if beginning := _BEGINNINGS.match(head):
        return _code_of_beginning(beginning), beginning.end() + 3
    candidates: Iterable[re.Match[bytes] | None]
    if shapeless and not head.endswith((b"Error", b"Exception")):
        candidates = (_CANDIDATE.match(head, found.start()) for found in _INITIALS.finditer(head))
    else:
        candidates = _CANDIDATE.finditer(head)
    for found in candidates:
        if found and (said := _weigh(head, found)):
            return said
    return NOTHING


def _code_of_beginning(found: re.Match[bytes]) -> int:
    kind, said = found.lastgroup or "", found[found.lastgroup or 0]
    if kind in {"marker", "error"}:
        return MARKER if kind == "marker" else ERROR
    return _LETTERS[said] if len(said) == 1 else _BEGINNING_CODES[said.decode().lower()]


def _weigh(head: bytes, found: re.Match[bytes]) -> Claim | None:
    """Whether a candidate is a claim where it stands."""
    kind, start, end = found.lastgroup or "", found.start(), found.end()
    if kind == "traceback":
        return ERROR, end + 1
    if kind in {"value", "said"}:
        code = ALIASES.get(found[kind].decode().lower(), UNKNOWN)
        return (code, end + 1) if code else None
    if kind == "raised":
        return _weigh_raised(head, found[kind], start, end)
    code = WORDS[found[kind].lower().rstrip(b"!")]
    if _is_bracketed(head, start, end):
        return code, end + 4
    if kind == "capitals":
        return (code, end + 3) if _stands_out(head, start, end) else None
    if head[end : end + 1] in _BEHIND_WORD and _CLOCK_JUST_BEFORE.search(head, max(start - 40, 0), start):
        return code, end + 1
    if kind == "brief":
        return (code, end + 1) if not head[:start].strip() and head[end : end + 1] == b" " else None
    return _weigh_spoken(head, found[kind].lower(), start, end)


def _is_bracketed(head: bytes, start: int, end: int) -> bool:
    """`[error]`, `[ERROR ]`, `[core:error]`, `<warn>`, `[INFO|module.py:12]`."""
    before = head[max(start - 24, 0) : start].rstrip(b" ")
    if before[-1:] not in {b"[", b"<", b":"}:
        return False
    behind = head[end : end + 4].lstrip(b" ")[:1]
    if before[-1:] == b"<":
        return behind == b">"
    if before[-1:] == b":":
        module = before[before.rfind(b"[") + 1 : -1]
        return len(module) < len(before) - 1 and module.isalnum() and module[:1].isalpha() and behind == b"]"
    return behind in {b"]", b"|"}


def _stands_out(head: bytes, start: int, end: int) -> bool:
    """Whether a word in capitals is not one of a sentence: it begins the line, or something ends before it."""
    before = head[:start].rstrip(b" \t")
    gap = start - len(before)
    if gap == 0 and head[start - 1 : start] in {b'"', b"'", b"/", b"."}:
        monolog = before.endswith(b".") and head[end : end + 1] == b":"  # app.ERROR:
        return monolog and _CLOCK.search(before) is not None
    if not before or gap > 1 or before[-1] in _BEFORE_CAPITALS or head[start - 1 : start] == b"\t":
        return end < len(head) or not head[:start].endswith(b": ")  # not `Log level: DEBUG`
    return gap > 0 and (before.endswith(b" NCCL") or _CLOCK.search(before) is not None)


def _weigh_raised(head: bytes, name: bytes, start: int, end: int) -> Claim | None:
    before = head[:start].rstrip(b" \t")
    if before and not (
        (start - len(before) == 1 and before[-1] in _SEPARATORS) or before == b"E" or before.endswith(b"Uncaught")
    ):
        return None
    if head[end : end + 1] == b":" and head[end + 1 : end + 2] in _SPACE:
        return WARN if name.endswith(b"Warning") else ERROR, end + 2
    if end == len(head) and not name.endswith(b"Warning") and before in {b"", b"E"}:
        return ERROR, end + 1  # only a line that ends here says so
    return None


def _weigh_spoken(head: bytes, word: bytes, start: int, end: int) -> Claim | None:
    """A word before a colon, where that begins something: not `error: 0.2`, which is a figure, nor `debug: true`."""
    before = head[:start].rstrip(b" \t")
    if word not in _BEFORE_COLON or (before and (start - len(before) > 1 or before[-1] not in _BEFORE_SPOKEN)):
        return None
    if word in {b"error", b"warning"} and (coded := _CODED.match(head, end)):
        return WORDS[word], coded.end() + 1
    if word == b"fatal" and head[end : end + 6].lower() == b" error":
        end += 6
    if head[end : end + 1] != b":" or _FIGURE.match(head, end):
        return None
    return WORDS[word], end + 9  # as far as _FIGURE looks


def _claim_of_json(head: bytes) -> Claim:
    for found in _JSON_KEY.finditer(head):
        kind = found.lastgroup or ""
        said = found[kind].decode().lower()
        code = ALIASES.get(said, UNKNOWN) if kind in {"name", "mongo"} else _code_of_number(kind, said)
        if code:
            return code, found.end() + (8 if kind == "pino" else 1)
    return NOTHING


def _code_of_number(kind: str, digits: str) -> int:
    """A level said by a number: by pino, bunyan and Python in tens, by OpenTelemetry in fours."""
    if not digits.strip("0"):
        return NUMBER
    number = int(digits)
    if kind == "otel":
        return min((number + 3) // 4, FATAL)
    if number % 10 or number > 60:
        return UNKNOWN
    return number // 10 if kind != "python" else {10: DEBUG, 20: INFO, 30: WARN, 40: ERROR, 50: FATAL}.get(number, 0)
