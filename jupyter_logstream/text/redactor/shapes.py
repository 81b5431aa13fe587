"""Keys by their shape: the rule set of key formats that are recognised without knowing the key. Any process; stdlib.

To add a provider, add its prefix and the form of what follows to `_BEHIND_DASH` or `_BEHIND_UNDERSCORE`, and an example
to tests/vectors/key_shapes.json, which has the texts that must stay unchanged, too. A rule masks what follows the
prefix, so a reader sees which kind of key it was (`sk-***`).

Sources: the providers' documentation, GitHub's secret scanning patterns, the rules of gitleaks. Rules need a prefix or
a context that ordinary text does not have: hashes and UUIDs stay. Each pattern takes linear time, and begins with
literal bytes so that a search is quick; `gate` is a byte that most chunks lack.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

_T = rb"[A-Za-z0-9_-]"
_EDGE = rb"(?<![A-Za-z0-9_-])"

# What precedes the dash or underscore at which the search begins (of a fixed width) -> what follows it.
_BEHIND_DASH = {
    rb"sk": rb"(?:(?:proj|ant|or|svcacct|admin|service|live|test|lf)-" + _T + rb"{10,}|[A-Za-z0-9]{16,}" + _T + rb"*)",
    rb"[pr]k": rb"(?:live|test|lf)-" + _T + rb"{10,}",  # Stripe, Langfuse
    rb"xox[a-z]": _T + rb"{10,}",  # Slack
    rb"xapp": _T + rb"{10,}",
    **dict.fromkeys((b"glpat", b"gldt", b"glft", b"glrt", b"glcbt", b"glptt", b"glsoat"), _T + rb"{16,}"),  # GitLab
    rb"xai": rb"[A-Za-z0-9]{20,}",
    rb"nvapi": _T + rb"{20,}",
    rb"pplx": rb"[A-Za-z0-9]{20,}",  # Perplexity
    rb"tvly": _T + rb"{16,}",  # Tavily
    rb"pypi": rb"AgEIcHlwaS5vcmc" + _T + rb"*",
    rb"GOCSPX": _T + rb"{16,}",  # Google OAuth client
    rb"AGE-SECRET-KEY": rb"1[A-Z0-9]{40,}",
}
_BEHIND_UNDERSCORE = {
    rb"gh[pousr]": rb"[A-Za-z0-9]{16,}",  # GitHub
    rb"github": rb"pat_" + _T + rb"{16,}",
    rb"hf": rb"[A-Za-z0-9]{16,}",  # Hugging Face
    rb"gsk": rb"[A-Za-z0-9]{20,}",  # Groq
    rb"[spr]k": rb"(?:live|test|prod)_[A-Za-z0-9]{10,}",  # Stripe
    rb"npm": rb"[A-Za-z0-9]{30,}",
    rb"r8": rb"[A-Za-z0-9]{30,}",  # Replicate
    rb"do[opr]": rb"v1_[a-f0-9]{40,}",  # DigitalOcean
    rb"whsec": rb"[A-Za-z0-9+/=]{20,}",  # Stripe webhooks
    rb"shp(?:at|ca|pa|ss)": rb"[A-Fa-f0-9]{30,}",  # Shopify
    rb"lin": rb"api_[A-Za-z0-9]{30,}",  # Linear
    rb"lsv2": rb"(?:pt|sk)_" + _T + rb"{20,}",  # LangSmith
}

# Names of parameters; a page token and a count of tokens are no secrets.
_NAMES = (
    rb"(?i:key|sig|auth|jwt|_xsrf"
    rb"|(?!(?:next|page|continu|sync|cursor|max|min)[a-z_.-]{0,12}token=)"
    rb"[a-z0-9_.-]{0,32}(?:token|secret|passw(?:or)?d|signature|api[-_]?key|access[-_]?key|credential|auth))="
)
_VALUE = rb"[^\x00-\x20\x7f&#\"'<>\\;,()\[\]{}|`*]"
_LINE_END = 10
_QUOTE = rb"\\?[\"']?"
_SEPARATOR = _QUOTE + rb"[ \t]{0,4}[:=][ \t]{0,4}" + _QUOTE
_SCHEME = rb"(?i:bearer|basic|token|digest|apikey|bot)[ \t]{1,4}"
_CREDENTIAL = rb"[A-Za-z0-9._~+/=-]"
_NO_WORDS = rb"(?=[a-z.~-]{0,64}[A-Z0-9_+/=])"  # "authorization: required-for-all" has no credential
_ACCOUNT = rb"://[^\x00-\x20\x7f/:@\"'<>]{0,64}:"
_BEGIN = rb"-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----"
_KEY_LINES = rb"(?:\s|\\[nr])*(?:(?:Proc-Type|DEK-Info): [^\r\n\\]{0,80}(?:\s|\\[nr])+)*"


_DECIDED_BYTES = 160  # most keys are decided within so many bytes
_SHORT_LINE_BYTES = 1024  # of shorter lines it is looked first whether they have any gate
_MAX_KEY_HEADER_BYTES = 512
_MAX_ACCOUNT_BYTES = 330  # from `://` to `@`, with the user's name and the password
MAX_BEGUN_BYTES = 4352
"""An unfinished secret is held back up to this length."""


class Shape(NamedTuple):
    """One rule.

    `gate`: a rare byte of the pattern; `mark`: a literal of it, which begins at most `reach` bytes before the gate.
    `pattern`: its first group, or all of it, is the secret. `rest`: what continues a secret in the next chunk.
    `begun`: matches up to where an unfinished secret at the end of a text begins; it is searched in the last `window`
    bytes, if these contain the mark.
    """

    gate: bytes
    mark: bytes
    reach: int
    pattern: re.Pattern[bytes]
    rest: re.Pattern[bytes]
    begun: re.Pattern[bytes]
    window: int


def _shape(
    gate: bytes,
    mark: bytes,
    before: bytes,
    form: bytes,
    unfinished: bytes,
    rest: bytes,
    window: int = _DECIDED_BYTES,
) -> Shape:
    """A rule for a secret of this `form` behind `before`; `unfinished`: the form while it is undecided."""
    pattern, begun = re.compile(before + rb"(" + form + rb")"), re.compile(before + rb"(?=" + unfinished + rb"\Z)")
    reach = mark.index(gate) if gate in mark else _MAX_ACCOUNT_BYTES
    return Shape(gate, mark, reach, pattern, re.compile(rest), begun, window)


def _family(joint: bytes, prefixes: Mapping[bytes, bytes]) -> Shape:
    """All keys that have the byte `joint` behind a prefix; dates and ordinary names fail at once."""
    last = bytes({prefix.rstrip(b")]")[-1] for prefix in prefixes} | set(b"abcdefghijklmnopqrstuvwxyz"))
    guard = joint + rb"(?<=[" + last + rb"]" + joint + rb")"
    behind = {rb"(?<=" + _EDGE + prefix + joint + rb")": form for prefix, form in prefixes.items()}
    forms = rb"|".join(edge + form for edge, form in behind.items())
    pattern = re.compile(guard + rb"(?=" + _T + rb"{10})(" + forms + rb")")
    begun = re.compile(guard + rb"(?=[A-Za-z0-9_+/=-]{0,64}\Z)(?:" + rb"|".join(behind) + rb")")
    return Shape(joint, joint, 0, pattern, re.compile(_T + rb"*"), begun, _DECIDED_BYTES)


def _prefixed(before: bytes, gate: bytes, after: bytes) -> bytes:
    """A prefix, searched from its rarest byte."""
    return gate + rb"(?<=" + _EDGE + before + gate + rb")" + after


_PARAMETER = (_VALUE + rb"{6,}", _VALUE + rb"{0,5}", _VALUE + rb"*")
_HAS_SCHEME = rb"(?=" + _CREDENTIAL + rb"{6})(?:" + _NO_WORDS + rb"|(?=" + _CREDENTIAL + rb"{16}))"
_HAS_NONE = rb"(?=" + _CREDENTIAL + rb"{16})" + _NO_WORDS
_UNDECIDED = (_CREDENTIAL + rb"{0,64}", _CREDENTIAL + rb"*")
_AUTHORIZATION = rb"z(?<=[Aa]uthoriz)ation" + _SEPARATOR
_CAPITALS = rb"Z(?<=AUTHORIZ)ATION" + _SEPARATOR

SHAPES = (
    _family(b"-", _BEHIND_DASH),
    _family(b"_", _BEHIND_UNDERSCORE),
    _shape(b"K", b"AKIA", _prefixed(b"A", b"K", b"IA"), rb"[A-Z0-9]{16,}", rb"[A-Z0-9]{0,15}", rb"[A-Z0-9]*"),  # Amazon
    _shape(b"z", b"AIza", _prefixed(b"AI", b"z", b"a"), _T + rb"{30,}", _T + rb"{0,29}", _T + rb"*"),  # Google
    _shape(
        b"J",
        b"eyJ",
        _prefixed(b"ey", b"J", b""),
        _T + rb"{8,4096}\." + _T + rb"{8,}(?:\." + _T + rb"*)*",
        _T + rb"{0,4096}(?:\." + _T + rb"{0,7})?",
        rb"[A-Za-z0-9_.-]*",
        MAX_BEGUN_BYTES,
    ),
    _shape(b"?", b"?", rb"\?" + _NAMES, *_PARAMETER),
    _shape(b"&", b"&", rb"&(?:amp;)?" + _NAMES, *_PARAMETER),
    _shape(b"\\", rb"\u0026", rb"\\u0026" + _NAMES, *_PARAMETER),
    _shape(b"z", b"uthorization", _AUTHORIZATION + _SCHEME, _HAS_SCHEME + _CREDENTIAL + rb"+", *_UNDECIDED),
    _shape(b"Z", b"UTHORIZATION", _CAPITALS + _SCHEME, _HAS_SCHEME + _CREDENTIAL + rb"+", *_UNDECIDED),
    _shape(b"z", b"uthorization", _AUTHORIZATION, _HAS_NONE + _CREDENTIAL + rb"+", *_UNDECIDED),
    _shape(b"B", b"Bearer ", rb"Bearer ", _HAS_SCHEME + _CREDENTIAL + rb"+", *_UNDECIDED),
    _shape(
        b"@",
        b"://",
        _ACCOUNT,
        rb"[^\x00-\x20\x7f/@\"'<>]{3,256}(?=@)",
        rb"(?![0-9]{1,5}\Z)[^\x00-\x20\x7f/@\"'<>]{0,256}",
        rb"",
        2 * _DECIDED_BYTES,
    ),
    _shape(
        b"K",
        b"PRIVATE KEY-----",
        _BEGIN,
        _KEY_LINES + rb"[A-Za-z0-9+/=]{16,}[A-Za-z0-9+/=\s\\]*",
        _KEY_LINES + rb"(?:[A-Z][A-Za-z-]{0,12}(?::[^\r\n\\]{0,80})?|[A-Za-z0-9+/=]{0,15})\\?",
        rb"[A-Za-z0-9+/=\s\\]*",
        _MAX_KEY_HEADER_BYTES,
    ),
)
_OF_LINES, _OF_BLOCKS = SHAPES[:-1], SHAPES[-1]


def _mark_byte(shape: Shape) -> int:
    """A byte of the mark, the rare one if it has that."""
    return (shape.gate if shape.gate in shape.mark else shape.mark)[0]


_NO_MARKS = bytes(set(range(256)).difference(_mark_byte(shape) for shape in _OF_LINES))


def begun(text: bytes) -> int:
    """Where the secret part of an unfinished key at the end of `text` begins; the length of the text if none does."""
    size = len(text)
    if _OF_BLOCKS.mark in text[-_OF_BLOCKS.window :] and (at := _begun(_OF_BLOCKS, text[-_OF_BLOCKS.window :])):
        return size - at
    if not text or text[-1] == _LINE_END:
        return size
    line = text[max(text.rfind(b"\n", -MAX_BEGUN_BYTES) + 1, size - MAX_BEGUN_BYTES) :]
    near = line[-_DECIDED_BYTES:]
    if len(line) < _SHORT_LINE_BYTES and not line.translate(None, _NO_MARKS):
        return size
    windows = (near if shape.window == _DECIDED_BYTES else line[-shape.window :] for shape in _OF_LINES)
    return size - max(map(_begun, _OF_LINES, windows))


def _begun(shape: Shape, window: bytes) -> int:
    """The length of the unfinished secret at the end."""
    if shape.mark not in window:
        return 0
    found = shape.begun.search(window)
    return len(window) - found.end() if found else 0
