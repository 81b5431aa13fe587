"""Mapping options that the command line takes as one Python literal: `--LogStream.backends="{...}"`. Server; no I/O.

traitlets has deprecated that form, and its warning prints the value: keys of upstreams would be in the server's log.
"""

from __future__ import annotations

from ast import literal_eval
from typing import Any

from traitlets import Dict


class LiteralDict(Dict):
    """A `Dict` without that warning; nested values cannot be written as repeated `key=value`."""

    def from_string_list(self, s_list: list[str]) -> Any:
        """The value of the command line's arguments. ValueError or SyntaxError: it is no literal."""
        if len(s_list) == 1 and s_list[0].startswith("{"):
            return literal_eval(s_list[0])
        return super().from_string_list(s_list)
