"""Style sheet of exported pages: light, dark and printed, and the sixteen colours of terminals. Server; text only.

The page allows this one style sheet by its hash, so nothing else in it can set a style.
"""

from __future__ import annotations

import base64
import hashlib

LIGHT = (
    "#24292f", "#a40e26", "#116329", "#7d4e00", "#0550ae", "#6f42c1", "#0a5c63", "#57606a",
    "#57606a", "#b3261e", "#1a6b32", "#7a5200", "#0a58ca", "#7a3fd0", "#0b6a72", "#57606a",
)  # fmt: skip
DARK = (
    "#a0a8b2", "#ff8f87", "#56d364", "#d9a72e", "#79c0ff", "#d2a8ff", "#56d4dd", "#c9d1d9",
    "#a0a8b2", "#ffa198", "#7ee787", "#e3b341", "#a5d6ff", "#e2c5ff", "#9cecf2", "#f0f6fc",
)  # fmt: skip

_RULES = """
:root{--fg:#1f2328;--bg:#fff;--dim:#5a636c;--line:#d1d9e0;--warn:#fff4d6;--error:#ffe9e7}
@media (prefers-color-scheme:dark){:root{--fg:#e6edf3;--bg:#0d1117;--dim:#9198a1;--line:#30363d;--warn:#332900;\
--error:#3a1417}}
*{box-sizing:border-box}
body{margin:0;padding:1rem;color:var(--fg);background:var(--bg);font:14px/1.45 system-ui,sans-serif}
header{max-width:70rem;padding-bottom:.5rem;border-bottom:1px solid var(--line)}
h1{margin:0 0 .5rem;font-size:1.25rem;overflow-wrap:anywhere}
dl{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:.1rem 1rem;margin:0 0 .5rem}
dt{color:var(--dim)}
dd{margin:0;overflow-wrap:anywhere;white-space:pre-wrap}
main{font:13px/19px ui-monospace,Menlo,Consolas,monospace}
section{content-visibility:auto;contain-intrinsic-size:auto 3800px}
main h2{margin:.5rem 0 0;font:600 13px/1.45 system-ui,sans-serif;color:var(--dim)}
main p{margin:0;min-height:19px;padding-left:calc(var(--w)*1ch);text-indent:calc(var(--w)*-1ch);white-space:pre-wrap;\
overflow-wrap:anywhere;tab-size:8}
main i{font-style:normal;color:var(--dim);user-select:none;-webkit-user-select:none}
main .w{background:var(--warn)}
main .e{background:var(--error)}
.gap,.note{font-style:italic;color:var(--dim)}
footer{margin-top:1rem;color:var(--dim);font-size:12px}
.b{font-weight:bold}.d{opacity:.7}.i{font-style:italic}.u{text-decoration:underline}.s{text-decoration:line-through}
.u.s{text-decoration:underline line-through}
@media (max-width:45rem){body{padding:.5rem}main p{padding-left:0;text-indent:0}main i{display:none}\
dl{column-gap:.5rem}}
@media print{section{content-visibility:visible}body{padding:0}main{font-size:9pt;line-height:1.35}\
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
"""


def _colours(palette: tuple[str, ...]) -> str:
    """Backgrounds come last: they set the colour of their text, too, since few pairs of the palette are readable."""
    texts = "".join(f".f{i}{{color:{colour}}}" for i, colour in enumerate(palette))
    backgrounds = "".join(f".g{i}{{background:{colour};color:var(--bg)}}" for i, colour in enumerate(palette))
    return texts + ".fx{color:var(--bg)}" + backgrounds + ".gx{background:var(--fg);color:var(--bg)}"


STYLE = f"{_RULES}{_colours(LIGHT)}\n@media (prefers-color-scheme:dark){{{_colours(DARK)}}}\n:root{{--w:%d}}\n"
"""The style sheet; `%d` is the width of the numbers and times in characters."""


def style_sheet(width: int) -> tuple[str, str]:
    """The style sheet for this width, and the policy that allows it and nothing else."""
    text = STYLE.replace("%d", str(width))
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return text, f"default-src 'none'; style-src 'sha256-{digest}'"
