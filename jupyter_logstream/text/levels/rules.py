r"""Level rules: the table of forms in which a line states its level, each with its hints. Runner; stdlib, values only.

A hint is a cheap test that every line of the rule passes; `prefilter` compiles the fast search for candidate lines from
the hints of all rules, so a rule and its hint change together. Rules look ahead a few bytes only, and digits are
interchangeable to them unless the number is the level: both let the guesser cache line beginnings. Patterns run over
bytes without colours. The table for users is docs/levels.md.
"""

from __future__ import annotations

import re
from typing import NamedTuple, Union

from ...model.records import ALIASES

UNKNOWN, TRACE, DEBUG, INFO, WARN, ERROR, FATAL = range(7)
MARKER = 7
"""In place of a level code: the line is a step marker."""
NUMBER = 8
"""In place of a level code: the level is a number whose digits are hidden."""


class Shape(NamedTuple):
    """A hint: `anchor`, a byte that is rare in logs, then `guard`, a cheap regex that shapes share, then `test`."""

    anchor: bytes
    guard: bytes
    test: bytes


class Spelling(NamedTuple):
    r"""A hint: `literal` in the residue of the line (its capitals, `:` and `{`, each line behind `\n`).

    `whole`: a regex over the line's residue that confirms it; default: the literal.
    """

    literal: bytes
    whole: bytes = b""


class Ending(NamedTuple):
    """A hint: the line ends with `word`, which has one capital, its first letter."""

    word: bytes


class BeforeColon(NamedTuple):
    """A hint: `word` in any case before a colon and white space."""

    word: bytes


Hint = Union[Shape, Spelling, Ending, BeforeColon]


class Rule(NamedTuple):
    """One form. `level`: its code, or None: that of the word or letter in the pattern's group."""

    pattern: bytes
    level: int | None
    hints: tuple[Hint, ...]


SYSLOG = (FATAL, FATAL, FATAL, ERROR, WARN, INFO, INFO, DEBUG)
"""The level of a syslog severity: emergency, alert, critical, error, warning, notice, informational, debug."""
MAX_SYSLOG_PRIORITY = 191
LETTERS = {b"T": TRACE, b"D": DEBUG, b"I": INFO, b"N": INFO, b"W": WARN, b"E": ERROR, b"F": FATAL, b"C": FATAL}
WORDS = {
    b"erro": ERROR, b"err!": ERROR, b"exception": ERROR, b"fail": ERROR, b"failed": ERROR, b"parse error": ERROR,
    b"fata": FATAL, b"pani": FATAL, b"ftl": FATAL, b"pnc": FATAL, b"fatal error": FATAL, b"deprecated": WARN,
    b"debu": DEBUG, b"dbug": DEBUG, b"trac": TRACE, b"trce": TRACE, b"trc": TRACE, b"log": INFO, b"note": INFO,
    **{name.encode(): code for name, code in ALIASES.items() if len(name) > 1},
}  # fmt: skip
"""Every word that a rule recognises, in lower case, and its level code."""

# --- word lists -----------------------------------------------------------------------------------------------------

CAPITALS = (
    rb"ERR(?:OR|O|!)?", rb"WARN(?:ING)?", rb"INFO", rb"DEBUG?", rb"FATAL?", rb"CRIT(?:ICAL)?", rb"TRACE?", rb"PANIC?",
    rb"SEVERE", rb"NOTICE", rb"ALERT", rb"EMERG(?:ENCY)?", rb"VERBOSE", rb"SUCCESS",
)  # fmt: skip
"""Words that are levels where they are in capitals."""
BRIEF = (rb"INF", rb"WRN", rb"DBG", rb"TRC", rb"FTL", rb"PNC")
"""Abbreviations: levels at a line's beginning only, since INF is also a number."""
BEFORE_COLON = tuple(
    b"err error warn warning info debug fatal crit critical trace panic severe notice alert emerg emergency exception "
    b"fail dbug trce".split()
)
"""Words that are levels in any case, before a colon."""
BRACKETED = (
    rb"err(?:or)?", rb"warn(?:ing)?", rb"info", rb"debug", rb"fatal", rb"crit(?:ical)?", rb"trace", rb"panic",
    rb"severe", rb"notice", rb"alert", rb"emerg(?:ency)?", rb"exception", rb"erro", rb"debu", rb"fata", rb"inf",
    rb"wrn", rb"dbg", rb"trc", rb"ftl", rb"pnc", rb"note", rb"success", rb"verbose",
)  # fmt: skip
"""Words that are levels in any case, in brackets or right behind the time."""
_LOGFMT_KEYS = (b"level", b"lvl", b"severity", b"levelname")
_DOTNET = (rb"fail", rb"dbug", rb"trce")
_ANY_CASE = rb"(?i:" + b"|".join(BRACKETED) + rb")"

CLOCK = rb"\d\d:\d\d:\d\d|\d:\d\d[AP]M"
BEHIND_CLOCK = rb"(?:[.,:]\d+)?(?:Z| ?[+-]\d\d:?\d\d| UTC| [AP]M)?[\])]?[\s|:\[(<-]{1,8}"
"""From a clock time to the word behind it."""

# --- hints ----------------------------------------------------------------------------------------------------------

_SPACE_BEHIND = rb"(?=\s)"
_DIGITS_AROUND = rb"(?<=\d:)(?=\d\d)"
_QUOTES_AROUND = rb"(?<=[\"']:)(?= ?[\"'])"


def _before_colon(*words: bytes) -> tuple[Hint, ...]:
    return tuple(map(BeforeColon, words))


def _spelled(*words: bytes) -> tuple[Hint, ...]:
    """Lines with one of these words in capitals, by the letters that all forms of the word begin with."""
    starts = (re.match(rb"[A-Z:]+(?!\?)", word) for word in words)
    return tuple(Spelling(start[0]) for start in starts if start)


def _behind_clock() -> tuple[Hint, ...]:
    firsts = bytes(sorted({word[0] for word in BRACKETED + _DOTNET}))
    words = BEHIND_CLOCK + rb"(?=[" + firsts + firsts.upper() + rb"])(?i:" + b"|".join(BRACKETED + _DOTNET) + rb")"
    return (
        Shape(b":", _DIGITS_AROUND, rb"(?<=\d\d:\d\d:)\d\d" + words),
        Shape(b":", _DIGITS_AROUND, rb"\d\d[AP]M" + words),
    )


_WORKFLOW = (Spelling(b"\n::", rb"^::[A-Z{]*::"),)

# --- the tables -----------------------------------------------------------------------------------------------------

BEGINNINGS = (
    Rule(rb"<(0|[1-9]\d{0,2}|00|000)>", None, (Shape(b"<", b"", rb"(?<=\n<)\d{1,3}>"),)),  # syslog's priority
    Rule(rb"::(?:step|endstep|group|endgroup)::", MARKER, _WORKFLOW),
    Rule(rb"::(error|warning|notice|debug)(?: [^:]{0,120})?::", None, _WORKFLOW),  # GitHub workflow commands
    Rule(
        rb"([IWEF])\d{4}(?:\d{4})? \d\d:\d\d:\d",  # klog, glog
        None,
        (
            Shape(b":", _DIGITS_AROUND, rb"(?<=[IWEF]\d{4} \d\d:)"),
            Shape(b":", _DIGITS_AROUND, rb"(?<=[IWEF]\d{8} \d\d:)"),
        ),
    ),
    Rule(
        rb"\[([TDINWEFC])(?: \d\d:\d\d:\d\d| \d{4}-\d\d-\d\d|\])",  # Jupyter, Tornado
        None,
        (Shape(b"[", b"", rb"[TDINWEFC][ \]]"),),
    ),
    Rule(
        rb"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[.,]\d+ ([DIWECF]) \d",  # Ray
        None,
        (Shape(b"[", b"", rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[.,]\d+ [DIWECF] \d"),),
    ),
    Rule(
        rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?: ([IWEF]) \w",  # TensorFlow
        None,
        (Shape(b":", _SPACE_BEHIND, rb" [IWEF] \w"),),
    ),
    Rule(rb"([DIWEF]), \[\d{4}-", None, (Shape(b"[", b"", rb"(?<=[DIWEF], \[)"),)),  # Ruby's Logger
    Rule(rb"([EWN]): [A-Z][a-z]{1,14} [a-z']", None, (Shape(b":", _SPACE_BEHIND, rb"(?<=\n[EWN]:)"),)),  # apt
    Rule(rb"CMake (Error|Warning)\b", None, (Spelling(b"\nCME", rb"^CME"), Spelling(b"\nCMW", rb"^CMW"))),
    Rule(rb"npm (ERR!|WARN)", None, _spelled(b"ERR", b"WARN")),
    Rule(
        rb"Exception in thread Thread-\d{1,9}(?: \(\w{1,60}\))?:$",  # Python
        ERROR,
        (Spelling(b"\nET", rb"^ET[A-Z]*:$"),),
    ),
    Rule(
        rb"Exception in thread \"[^\"]{0,60}\" [\w.$]{0,60}(?:Exception|Error)(?=:\s|:?$)",  # Java
        ERROR,
        (*_before_colon(b"exception", b"error"), Ending(b"Exception"), Ending(b"Error")),
    ),
    Rule(rb"Exception ignored in: |Caused by: ", ERROR, _before_colon(b"ored in", b"used by")),
    Rule(rb"Unhandled exception\. [A-Za-z_][\w.]{0,80}:", ERROR, (Spelling(b"\nU", rb"^U[A-Z]*:"),)),  # C#
    Rule(
        rb"[^\s:]{1,80}:\d{1,6}:in [`'][^']{1,50}': ",  # Ruby
        ERROR,
        (Shape(b":", rb"(?=in [`'])", rb"(?<=\d:)"),),
    ),
    Rule(rb"make(?:\[\d{1,4}\])?: \*\*\* ", ERROR, (Shape(b":", _SPACE_BEHIND, rb" \*\*\* "),)),
    Rule(
        rb"thread '[^']{1,60}'(?: \(\d{1,9}\))? panicked at ",  # Rust
        ERROR,
        (Shape(b"'", rb"(?= (?:\(\d{1,9}\) )?panicked at )", b""),),
    ),
    Rule(
        rb"During handling of the above exception, another exception occurred:"
        rb"|The above exception was the direct cause of the following exception:",
        ERROR,
        (Shape(b":", b"(?=\n)", rb"(?<=ception occurred:)"), Shape(b":", b"(?=\n)", rb"(?<=following exception:)")),
    ),
    Rule(
        rb"(?:PHP |! ?)?(?:LaTeX |Package \w{1,40} )?"
        rb"(Fatal error|Parse error|Error|Warning|Deprecated|Notice):(?=  ?\D)",
        None,
        _before_colon(b"error", b"warning", b"deprecated", b"notice"),
    ),
)
"""Forms that a line begins with."""

CANDIDATES = {
    "traceback": Rule(
        rb"Traceback \(most recent call last\)(?=:|$)", ERROR, (Shape(b"(", rb"(?=most recent call last\))", b""),)
    ),
    "value": Rule(
        rb"(?<![?&/])(?:level|lvl|severity|levelname)=[\"']?([A-Za-z]{1,12})(?![A-Za-z])",  # not in an address
        None,
        tuple(Shape(b"=", rb"(?<=[ley]=)", rb"(?<=" + key + rb"=)") for key in _LOGFMT_KEYS),
    ),
    "raised": Rule(
        rb"(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Warning)(?![\w.'=-])",
        None,
        (*_before_colon(b"error", b"exception", b"warning"), Ending(b"Error"), Ending(b"Exception")),
    ),
    "capitals": Rule(
        rb"(?:" + b"|".join(CAPITALS) + rb"|LOG(?=:  )|FAIL(?:ED)?(?=: ))(?![\w'=])(?![.-]\w)(?!/(?![A-Z]))",
        None,
        _spelled(*CAPITALS, b"LOG:", b"FAIL"),
    ),
    "brief": Rule(rb"(?:" + b"|".join(BRIEF) + rb")(?![\w'=.-])", None, _spelled(*BRIEF)),
    "spoken": Rule(
        rb"(?:" + _ANY_CASE + b"|" + b"|".join(_DOTNET) + rb")(?![\w'=])",
        None,
        (
            *_before_colon(*BEFORE_COLON),
            *(Shape(b":", _SPACE_BEHIND, rb"(?<=[A-Z]" + rb"\d" * digits + rb":)") for digits in (2, 3, 4, 5)),
            *_behind_clock(),
            Shape(b"[", b"", rb"(?=[\sA-Za-z])\s{0,24}(?:\w{1,23}:\s{0,24})?" + _ANY_CASE + rb"\s{0,4}[\]|]"),
            Shape(b"[", b"", rb"(?i:(?<=error\[)|(?<=warning\[))"),
            Shape(b"<", b"", rb"\s{0,24}" + _ANY_CASE + rb"\s{0,4}>"),
        ),
    ),
}  # fmt: skip
"""Forms that can begin anywhere behind a character that is no part of a word; `claims` judges what surrounds them."""

QUOTED = Rule(
    rb"(?<=[{,\s])[\"'](?:level|levelname|severity)[\"']: ?[\"']([A-Za-z]{1,12})[\"']",
    None,
    tuple(Shape(b":", _QUOTES_AROUND, rb"(?<=" + key + rb"[\"']:)") for key in (b"level", b"levelname", b"severity")),
)
"""A level key of a dictionary within a line."""

JSON = Rule(
    rb"[{,]\s*[\"'](?:"
    rb"(?:@?level|@l|lvl|levelname|level_name|log[._]?level|severity|severity_?text)[\"']\s*:\s*[\"'](?P<name>\w{1,12})[\"']"
    rb"|level[\"']:(?P<pino>\d\d)(?=,[\"']time[\"']:)|pid[\"']:\d{1,9},[\"']level[\"']:(?P<bunyan>\d\d)\b"
    rb"|levelno[\"']\s*:\s*(?P<python>\d\d)\b|severity_?number[\"']\s*:\s*(?P<otel>\d\d?)\b"
    rb"|s[\"']:\s*[\"'](?P<mongo>[DIWEF])\d?[\"'],\s*[\"']c[\"']:)",
    None,
    (Spelling(b"\n{", rb"^\{"),),
)
"""The level key of a line that begins as a JSON object."""

RULES = (*BEGINNINGS, *CANDIDATES.values(), QUOTED, JSON)
