"""Metadata hook: the README for package indexes, without links into the repository. Run by hatchling only."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

RELATIVE = r"\((?!https?:)[^)]*\)"
LAST_SECTION = "\n## Learn more\n"
"""It has only links into the repository, so it is left out."""


def for_index(readme: str) -> str:
    """Leave out pictures, links in parentheses and the last section; other links become their text."""
    text = re.sub(rf"!\[[^\]]*\]{RELATIVE}\n+", "", readme.partition(LAST_SECTION)[0])
    text = re.sub(rf" \(\[[^\]]*\]{RELATIVE}\)", "", text)
    return re.sub(rf"\[([^\]]*)\]{RELATIVE}", r"\1", text)


class IndexReadme(MetadataHookInterface):
    """Sets the description of sdist and wheel."""

    PLUGIN_NAME = "custom"

    def update(self, metadata: dict[str, Any]) -> None:
        """Add the key `readme`, which pyproject.toml names as dynamic."""
        readme = Path(self.root, "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": for_index(readme)}
