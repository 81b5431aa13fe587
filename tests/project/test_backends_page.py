"""The table of docs/backends.md has what each type of backend supports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from support.paths import ROOT

from jupyter_logstream.backends.configured import TYPES, make_backends
from jupyter_logstream.backends.context import BackendContext

PAGE = ROOT / "docs" / "backends.md"
REQUIRED: dict[str, dict[str, Any]] = {"ray": {"address": "http://head:8265"}, "ssh": {"host": "gpu1"}}
"""The settings that a type needs."""

FEATURES = {
    "call": "functions, Python cells, notebooks",
    "tty": "a terminal (`tty=True`)",
    "stdin": "input (`stdin=True`)",
    "timeout": "`timeout`",
    "files": "`files`",
    "follow": "files as a log (`follow_file`)",
    "kernel_environment": "the kernel's environment and directory",
    "kernel_directory": "the kernel's directory only",
}


def table() -> str:
    """The table as the code has it."""
    entries = {kind: {"type": kind, **REQUIRED.get(kind, {})} for kind in sorted(TYPES)}
    backends, problems = make_backends(entries, BackendContext(Path("/store/streams"), Path("/work")))
    assert problems == []
    features = {name for backend in backends.values() for name in backend.supports}
    options = sorted(name for name in features if name.startswith("options:"))
    assert features - set(options) <= set(FEATURES)
    rows = {**FEATURES, **{option: f"option `{option.partition(':')[2]}`" for option in options}}
    lines = [f"| feature | {' | '.join(f'`{name}`' for name in backends)} |", "|---" * (len(backends) + 1) + "|"]
    for feature, words in rows.items():
        lines.append(f"| {words} | {' | '.join('yes' if feature in b.supports else 'no' for b in backends.values())} |")
    return "\n".join(lines)


def test_the_page_has_the_table_of_what_each_type_supports() -> None:
    text = PAGE.read_text(encoding="utf-8")
    shown = text.partition("test_backends_page.py -->\n")[2].partition("\n<!-- end -->")[0]
    assert shown == table(), f"the table is now\n{table()}"
