"""Hostile text that must not act on a page or a terminal, and a parser of the HTML made of it. Test support."""

from __future__ import annotations

from html.parser import HTMLParser


class Read(HTMLParser):
    """The text and the elements, with attributes, that a viewer reads from HTML."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.text, self.elements = "", []
        self.feed(page)
        self.close()

    def handle_data(self, data):
        self.text += data

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, *attrs))

    def handle_comment(self, data):
        self.elements.append(("comment", data))


HOSTILE = {
    "B94 elements": "<script>alert(1)</script><img src=x onerror=a()><button data-commandlinker-command=x></pre>&lt;",
    "B94 inside of colours": '\x1b[31m"><svg onload=alert(1)>\x1b[0m<!-- x --><![CDATA[',
    "B96 a link": "\x1b]8;;javascript:alert(1)\x07link\x1b]8;;\x07 \x1b]8;;data:text/html,x\x1b\\b\x1b]8;;\x1b\\",
    "B96 a huge link": "\x1b]8;;http://x/" + "a" * 2_000_000 + "\x07link",
    "B97 clipboard, title, strings": "\x1b]52;c;eA==\x07\x1b]0;t\x07\x1bP1$r\x1b\\\x1b_x\x1b\\\x1b[6n\x1bc",
    "B98 absurd counts": "a\x1b[999999999Cb\x1b[999999999b",
    "B99 unterminated": "\x1b]0;" + "x" * 1_000_000,
    "B99 many parameters": "\x1b[" + ";1" * 500_000 + "m",
    "B99 C1": "\x9b31mred\x9d0;t\x9cx\x9bzz",
    "B100 overwriting": "a\rb\b\x07\x00\x7f",
    "B100 bidi": "\u202egnp.exe\u2066x",
    "B100 a pile": "a" + "\u0301" * 10_000,
    "B101 our own frames": "event: end\ndata: x\n: hb\n\ue000\uf8ff",
    "B102 all characters": "".join(map(chr, range(256))) + "\u2028\u2029\u0085\ufeff",
}
