"""The views as one ES module, for pages that cannot load them by URL: compressed, in parts. Runs in kernels.

The module is linked from those that the server serves, so that the package contains their code once.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from .messages import MAX_PART_BYTES, Message

STATIC = Path(__file__).parents[2] / "static"
ENTRY_POINTS = {"view": "showLog", "table": "showTable", "requests": "showRequests", "comm": "openComm"}
"""Modules, and what each exports."""
_IMPORT = re.compile(r'(?:from|import)"\./(views-\w+\.js)"')
_LINKER = r"""const urls = {};
const add = (name, text) => {
  const linked = text.replace(/(?<=from|import)"\.\/(views-\w+\.js)"/g, (_, chunk) => JSON.stringify(urls[chunk]));
  urls[name] = URL.createObjectURL(new Blob([linked], { type: "text/javascript" }));
};
"""
"""The head of the module: gives each part a URL of the page, and replaces the relative addresses of its imports."""


def bundle() -> str:
    """Link all views and the connection through the kernel into one module."""
    texts: dict[str, str] = {}
    for name in ENTRY_POINTS:
        _collect(f"{name}.js", texts)
    added = [f"add({json.dumps(name)}, {json.dumps(text)});\n" for name, text in texts.items()]
    exports = [f'export const {{ {what} }} = await import(urls["{name}.js"]);\n' for name, what in ENTRY_POINTS.items()]
    return "".join([_LINKER, *added, *exports, "Object.values(urls).forEach((url) => URL.revokeObjectURL(url));\n"])


def _collect(name: str, texts: dict[str, str]) -> None:
    """Add a module of the build after the chunks that it imports."""
    if name in texts:
        return
    text = (STATIC / name).read_text(encoding="utf-8")
    for chunk in _IMPORT.findall(text):
        _collect(chunk, texts)
    texts[name] = text


@lru_cache(maxsize=1)
def _compressed() -> bytes:
    return gzip.compress(bundle().encode(), mtime=0)


def bundle_parts() -> Iterator[Message]:
    """The bundle as `views` messages: gzip, then base64, in order."""
    data = _compressed()
    parts = [data[start : start + MAX_PART_BYTES] for start in range(0, len(data), MAX_PART_BYTES)]
    for i, part in enumerate(parts):
        text = base64.b64encode(part).decode()
        yield {"type": "views", "part": i, "parts": len(parts), "base64": text}
