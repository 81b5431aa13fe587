"""The reference page of the options: each one with its type, default and help, as the server has them."""

from __future__ import annotations

from jupyter_server.extension.application import ExtensionApp
from support.paths import ROOT

from jupyter_logstream.server.extension import LogStream

PAGE = ROOT / "docs" / "reference" / "options.md"
HEAD = "| option | type | default |\n|---|---|---|\n"


def expected() -> str:
    """The table of all options, and a paragraph for each."""
    inherited = ExtensionApp.class_traits(config=True)
    rows, texts = "", ""
    for name, trait in sorted(LogStream.class_traits(config=True).items()):
        if name not in inherited:
            default = repr(trait.default())
            kind = type(trait).__name__.removeprefix("Literal")
            rows += f"| [`{name}`](#{name}) | {kind} | `{default}` |\n"
            texts += f"\n## {name}\n\n{trait.help}\n"
    return HEAD + rows + texts


def test_page_lists_every_option_with_its_default_and_help() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page[page.index(HEAD) :] == expected()
