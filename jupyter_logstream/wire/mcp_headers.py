"""Headers of the Model Context Protocol that repeat a message's content, for proxies. Server, bridge; no I/O."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

VERSION, METHOD, NAME = "MCP-Protocol-Version", "Mcp-Method", "Mcp-Name"
META_VERSION = "io.modelcontextprotocol/protocolVersion"
"""The member of `params._meta` with the version of a request, which is there since 2026-07-28."""

SOURCES: Mapping[str, str] = {VERSION: f"params._meta.{META_VERSION}", METHOD: "method", NAME: "params.name or uri"}
"""What each header repeats."""

_NAMED = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
_BASE64 = re.compile(r"=\?base64\?(.*)\?=")
_PLAIN = re.compile(r"[!-~](?:[ -~]*[!-~])?")


def repeated(message: Any) -> dict[str, Any]:
    """What the headers of a message must repeat, by header; empty for a message of an earlier version."""
    params = message.get("params") if isinstance(message, dict) else None
    meta = params.get("_meta") if isinstance(params, dict) else None
    if not isinstance(params, dict) or not isinstance(meta, dict) or META_VERSION not in meta:
        return {}
    found = {VERSION: meta[META_VERSION], METHOD: message.get("method")}
    name = params.get(_NAMED.get(str(found[METHOD]), ""))
    return found if name is None else {**found, NAME: name}


def encoded(value: str) -> str:
    """A value as it is sent: base64 for what is no plain ASCII."""
    if _PLAIN.fullmatch(value) and not _BASE64.fullmatch(value):
        return value
    return f"=?base64?{base64.b64encode(value.encode('utf-8', 'replace')).decode()}?="


def decoded(value: str | None) -> str | None:
    """A header's value; None if it is absent or malformed."""
    found = _BASE64.fullmatch(value or "")
    if found is None:
        return value
    try:
        return base64.b64decode(found[1], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
