"""Hints: what a line must hold to be able to make a claim, cheap to look for in many lines at once. Runs in the runner.

For every rule of `claims` there is a hint here that finds every line the rule could find: too many is slow, too few is
wrong (a test compares both on lines of all sorts). stdlib, no I/O. This file must not know what a claim is worth.
"""

from __future__ import annotations

import re

from .claims import BRACKETED

RESIDUE = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ:{\n"
"""What is left of a line where one looks for capitals only."""

SPELLINGS = (
    b"ERR", b"WARN", b"WRN", b"INF", b"DEBU", b"DBG", b"FATA", b"FTL", b"CRIT", b"TRAC", b"TRC", b"PANI", b"PNC",
    b"SEVERE", b"NOTICE", b"ALERT", b"EMERG", b"VERBOSE", b"SUCCESS", b"EXCEPTION", b"LOG:", b"FAIL", b"\n::::", b"\n{",
    b"\nCME", b"\nCMW", b"\nET", b"E\n",
)  # fmt: skip
"""One of these is in the residue of every line whose capitals spell a claim."""
RAISED = (b"Error", b"Exception")
"""... and where that is only the last one, E, the line ends with one of these."""
SPELLS = re.compile(
    rb"^::::|^\{|^CM[EW]|^ET[A-Z]*:$"
    rb"|ERR|WARN|WRN|INF|DEBU|DBG|FATA|FTL|CRIT|TRAC|TRC|PANI|PNC|SEVERE|NOTICE|ALERT|EMERG|VERBOSE|SUCCESS|EXCEPTION"
    rb"|LOG:|FAIL"
)

_BEFORE_COLON = (
    rb"(?<=[cdeglnortyCDEGLNORTY]:)(?i:(?<=rror:)|(?<=err:)|(?<=warn:)|(?<=ning:)|(?<=nfo:)|(?<=bug:)|(?<=fatal:)"
    rb"|(?<=ical:)|(?<=crit:)|(?<=race:)|(?<=anic:)|(?<=vere:)|(?<=tice:)|(?<=lert:)|(?<=merg:)|(?<=ency:)|(?<=tion:)"
    rb"|(?<=fail:)|(?<=trce:)|(?<=sed by:)|(?<=ored in:)|(?<=curred:)|(?<=ecated:))"
    rb"|(?<=\d:)(?:(?<=[A-Z]\d\d:)|(?<=[A-Z]\d{3}:)|(?<=[A-Z]\d{4}:)|(?<=[A-Z]\d{5}:))"
    rb"|(?<=\n[EWN]:)| (?:\*\*\* |[IWEF] \w)"
)
_BEHIND_CLOCK = (
    rb"(?:[.,:]\d+)?(?:Z| ?[+-]\d\d:?\d\d| UTC| [AP]M)?[\])]?[\s|:\[(<-]{1,8}(?=[acdefinpstvwACDEFINPSTVW])(?i:"
    + BRACKETED
    + rb"|fail|dbug|trce)"
)
SHAPES = (
    (
        b":",
        re.compile(
            rb":(?:(?=\s)(?:" + _BEFORE_COLON + rb")"
            rb"|(?<=[\"']:)(?= ?[\"'])(?:(?<=evel[\"']:)|(?<=name[\"']:)|(?<=rity[\"']:))"
            rb"|(?<=\d:)(?=\d\d)(?:(?<=\d\d:\d\d:)\d\d" + _BEHIND_CLOCK + rb"|\d\d[AP]M" + _BEHIND_CLOCK + rb"|"
            rb"(?<=[IWEF]\d{4} \d\d:)|(?<=[IWEF]\d{8} \d\d:)))"
        ),
    ),
    (
        b"[",
        re.compile(
            rb"\[(?:(?=[\sA-Za-z])\s*(?:\w{1,23}:)?\s*(?i:" + BRACKETED + rb")\s*[\]|]|[TDINWEFC][ \]]|(?<=[DIWEF], \[)"
            rb"|(?<=[rgRG]\[)(?i:(?<=error\[)|(?<=warning\[))|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[.,]\d+ [DIWECF] \d)"
        ),
    ),
    (b"<", re.compile(rb"<\s*(?i:" + BRACKETED + rb")\s*>")),
    (b"=", re.compile(rb"=(?<=[ley]=)(?:(?<=level=)|(?<=lvl=)|(?<=severity=)|(?<=levelname=))")),
    (b"(", re.compile(rb"\((?=most recent call last\))")),
    (b"'", re.compile(rb"'(?= panicked at )")),
)
"""Whatever else a claim may look like, each with the rare byte that it begins with."""
