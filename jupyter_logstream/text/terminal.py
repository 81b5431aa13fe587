"""Terminal emulation of one line: its text as a terminal shows it, with colours and links. Server, kernels; no I/O.

Most lines need no screen: their sequences are removed. A line that moves the cursor is drawn on a small grid of cells.
Of all control sequences three stay in the result: SGR (colours), OSC 8 (links to http, https, mailto), and at the
beginning OSC 9;4 (a progress bar). tests/vectors/terminal.json is its table.
Sources: ECMA-48, xterm's ctlseqs, the protocols of iTerm2 and kitty.
"""

from __future__ import annotations

import re
from codecs import getincrementaldecoder

from ..model.unprintable import printable
from .cell_width import NARROW
from .lines import SGR, STYLING
from .screen import Screen

MAX_REDRAWN_BYTES = 16 * 1024
"""How far back redraws of a line are drawn; what was written before them is not shown."""

HEAD_BYTES = 4096
"""The first bytes of a line that are searched for an image."""

_C1 = str.maketrans({code: f"\x1b{chr(code - 0x40)}" for code in (0x90, 0x98, *range(0x9B, 0xA0))})
_STRING = r"\x1b(?:\][^\x07\x1b\x18\x1a]*(?:\x07|\x1b\\|[\x18\x1a])?|[PX^_][^\x1b\x18\x1a]*(?:\x1b\\|[\x18\x1a])?)"
_ESCAPE = re.compile(rf"(?P<string>{_STRING})|\x1b\[(?P<csi>[0-?]*[ -/]*[@-~]?)|\x1b(?P<esc>[ -/]*[0-~]?)")
_TOKEN = re.compile(rf"(?P<text>[^\x1b\r\b\t\x0e\x0f]+)|(?P<c0>[\r\b\t\x0e\x0f])|{_ESCAPE.pattern}")

_MOVES = re.compile(r"\x1b(?:\[(?:[0-?]*[A-IZ`adefsu]|[1-9][0-9]*[KJ]|\?(?:47|104[79])[hl])|[()]0|[78DEM])")
_STATEFUL = re.compile(r"[\x0e\x0f]|\x1b(?:\[[0-?]*[ABEFHJdefsu]|\[\?(?:47|104[79])[hl]|[()78DEM]|\]8)")
_ONE_CELL_EACH = re.compile(f"[{NARROW}]*")
_ERASES_REST = re.compile(r"[^\x1b\b\t\x0e\x0f]*(?:\x1b\[[0-9;:]*m[^\x1b\b\t\x0e\x0f]*)*\x1b\[[02]?K")
_SGR_RUN = re.compile(r"(?:\x1b\[[0-9;:]*m){2,}")
_RESET = re.compile(r"\x1b\[0*m")
_MAX_SGR_RUN = 32

_LINK = re.compile(r"(?i)(?:https?://|mailto:)[!-~]{1,2048}")
_IMAGE = re.compile(r"\x1b(?:\]1337;(?:Multipart)?File=(?:[^:]*;)?inline=1|P[0-9;]*q|_G(?:[^;]*,)?a=[Tp])")
IMAGE_LABEL = "[image]"
ERASED = "\x1b[0m"
"""The text of a line that a terminal shows empty although something was written; an empty line has the text ""."""

_PROGRESS = re.compile(r"9;4;([0-4])(?:;(\d{1,3}))?")


def terminal_text(text: str) -> str:
    """The text that a terminal shows in the end, with SGR and OSC 8. Lines of a text of several are independent."""
    if "\x1b" not in text and "\b" not in text and "\r" not in text and not _C1_CONTROL.search(text):
        return text
    return "\n".join(_line(line) for line in text.translate(_C1).split("\n"))


_C1_CONTROL = re.compile("[\x90\x98\x9b-\x9f]")
_C1_BYTES = re.compile(rb"\xc2[\x90\x98\x9b-\x9f]")


def terminal_texts(text: str) -> list[str]:
    """The texts of whole lines without carriage returns. Two searches in C where none has a control sequence."""
    lines = text.split("\n")
    if "\x1b" in text or "\b" in text or (not text.isascii() and _C1_CONTROL.search(text)):
        return [terminal_text(line) or (ERASED if line else "") for line in lines]
    return lines


def equals_its_text(data: bytes) -> bool:
    """Whether bytes hold no character that a terminal acts on, carriage returns included."""
    active = b"\x1b" in data or b"\b" in data or b"\r" in data
    return not active and (data.isascii() or not _C1_BYTES.search(data))


def line_text(tail: bytes, before: bytes = b"", head: bytes = b"") -> str:
    """The text of a record's bytes.

    `tail`: its last bytes, with the line end; `before`: the bytes before them, at most MAX_REDRAWN_BYTES; `head`: the
    first bytes of a line of which `before` is not all, else empty.
    """
    tail = tail.removesuffix(b"\n").rstrip(b"\r")
    if not before:
        return _record_text(tail)
    if before.endswith(b"\r"):
        redraws = before[before.find(b"\r") :] if head else before
        return _record_text(redraws + tail)
    # A control sequence of more than a part was left out before the tail.
    label = IMAGE_LABEL if _IMAGE.search((head or before).decode("utf-8", "replace")) else ""
    return label + terminal_text(tail.decode("utf-8", "replace")) or ERASED


def _record_text(body: bytes) -> str:
    return terminal_text(body.decode("utf-8", "replace")) or (ERASED if body.strip(b"\r") else "")


def open_line_text(body: bytes, head: bytes = b"") -> str:
    """The text of a line that is being written; a character whose last bytes have not come is left out.

    `head`: the first bytes of a line of which `body` is only the end, else empty.
    """
    body = body.rstrip(b"\r")
    if b"\r" in body and (head or len(body) > MAX_REDRAWN_BYTES):
        body = body[-MAX_REDRAWN_BYTES:]
        body = body[body.find(b"\r") + 1 :]
    elif head:
        end = max(body.rfind(b"\x1b\\") + 2, body.rfind(b"\x07") + 1)
        body = body[end:] if end > 1 else b""
    label = IMAGE_LABEL if head and _IMAGE.search(head.decode("utf-8", "replace")) else ""
    return label + terminal_text(getincrementaldecoder("utf-8")("replace").decode(body))


def without_styles(message: str) -> str:
    """A terminal text without its SGR and OSC sequences."""
    return STYLING.sub("", message) if "\x1b" in message else message


def searched_text(message: str) -> str:
    """The text of a message that searches match: what a terminal shows, without styles."""
    if "\x1b" not in message and "\b" not in message and "\r" not in message and not _C1_CONTROL.search(message):
        return message
    return without_styles(terminal_text(message))


def plain_text(message: str) -> str:
    """A message as plain text: without escape sequences, with stand-ins for unprintable characters."""
    if message.isascii() and message.isprintable():
        return message  # nearly always
    return printable(without_styles(terminal_text(message)))


def _line(text: str) -> str:
    text = text.rstrip("\r")
    if "\b" in text or "\r" in text or _MOVES.search(text):
        return _drawn(text)
    if "\x1b" not in SGR.sub("", text):
        return _short_runs(text)
    out = _Strings()
    shown = _ESCAPE.sub(out.kept, text)
    return _short_runs(out.progress + shown + out.close())


class _Strings:
    """The state of control strings while the other sequences of a line are removed."""

    def __init__(self) -> None:
        self.link = self.progress = ""

    def kept(self, match: re.Match[str]) -> str:
        if match["csi"] is not None:
            return match[0] if SGR.fullmatch(match[0]) else ""
        if match["string"] is None:
            return ""
        if _IMAGE.match(match[0]):
            return IMAGE_LABEL
        before = self.link
        self.read(match[0])
        if self.link == before:
            return ""
        return f"\x1b]8;;{self.link}\x1b\\"

    def read(self, string: str) -> None:
        """Take a link or a progress bar out of a control string."""
        if not string.startswith("\x1b]"):
            return
        body = string[2:].removesuffix("\x1b\\").removesuffix("\x07")
        if found := _PROGRESS.fullmatch(body):
            shown = found[1] in "124" and found[2] and int(found[2]) <= 100
            self.progress = f"\x1b]9;4;1;{int(found[2])}\x1b\\" if shown else ""
        elif body.startswith("8;") and body.count(";") > 1 and len(body) < len(string) - 2:
            url = body.split(";", 2)[2]
            self.link = url if _LINK.fullmatch(url) else ""

    def close(self) -> str:
        """The sequence that ends an open link."""
        return "\x1b]8;;\x1b\\" if self.link else ""


def _short_runs(text: str) -> str:
    """`text` with runs of SGR sequences reduced to what has an effect."""
    return _SGR_RUN.sub(_short_run, text) if "m\x1b[" in text else text


def _short_run(match: re.Match[str]) -> str:
    run = match[0]
    for reset in _RESET.finditer(run):
        run = match[0][reset.start() :]
    if run.count("\x1b") <= _MAX_SGR_RUN:
        return run
    return "\x1b" + "\x1b".join(run.split("\x1b")[-_MAX_SGR_RUN:])


# --- lines that move the cursor ---------------------------------------------------------------------------------------


def _drawn(text: str) -> str:
    if text.isascii() and text.replace("\r", "").isprintable():
        return _overlaid(_last_redraws(text))
    screen, strings = Screen(), _Strings()
    for match in _TOKEN.finditer(_last_redraws(text)):
        kind, found = match.lastgroup, match[0]
        if kind == "text":
            screen.put(found)
        elif kind == "c0":
            screen.control(found)
        elif kind == "csi":
            screen.csi(match["csi"])
        elif kind == "esc":
            screen.escape(match["esc"])
        elif _IMAGE.match(found):
            screen.put(IMAGE_LABEL)
        else:
            strings.read(found)
            screen.link = strings.link
    return strings.progress + screen.text()


def _overlaid(text: str) -> str:
    """Printable ASCII with carriage returns only: each part overlays the one before, without a screen of cells."""
    shown = ""
    for part in text.split("\r"):
        shown = part + shown[len(part) :]
    return shown.rstrip(" ")  # as the screen's text


def _last_redraws(text: str) -> str:
    """`text` without redraws that later ones cover completely; of those only the colours stay.

    All of a text that draws on several rows, or has other state than colours.
    """
    if "\x1b" in text and _STATEFUL.search(text):
        return text
    redraws = text.split("\r")
    covered = 0
    for i in range(len(redraws) - 1, -1, -1):
        found = redraws[i]
        if i and "\x1b" in found and _ERASES_REST.match(found):
            return _colours("".join(redraws[:i])) + "\r".join(redraws[i:])
        plain = SGR.sub("", found) if "\x1b" in found else found
        if not _ONE_CELL_EACH.fullmatch(plain):
            covered = 0 if "\x1b" in plain else covered  # it can move what is there
            continue
        if len(plain) <= covered:
            redraws[i] = "" if plain is found else _colours(found)
        covered = max(covered, len(plain))
    return "\r".join(redraws)


def _colours(text: str) -> str:
    """The SGR sequences of `text` that have an effect behind it."""
    return _short_runs("".join(match[0] for match in SGR.finditer(text)))
