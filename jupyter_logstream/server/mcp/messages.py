"""JSON-RPC messages of the Model Context Protocol in both of its eras: validation and errors. Server; no I/O.

Since 2026-07-28 each request stands alone: it names its version in `params._meta`, and three headers repeat what the
body has, for proxies that route by them. Earlier versions begin with `initialize`; we hold no session for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...wire import mcp_headers
from ...wire.mcp_headers import META_VERSION

VERSIONS = ("2026-07-28",)
"""Versions without a handshake, newest first."""

HANDSHAKE_VERSIONS = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
"""Versions that begin with `initialize`, newest first."""

META_CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
META_SERVER = "io.modelcontextprotocol/serverInfo"

PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS = -32700, -32600, -32601, -32602
INTERNAL_ERROR, RESOURCE_NOT_FOUND = -32603, -32002
HEADER_MISMATCH, UNSUPPORTED_VERSION = -32020, -32022

_MAX_ECHOED_CHARS = 60


class RpcError(Exception):
    """A request that is answered by a JSON-RPC error. `is_modern`: the client speaks a version without a handshake."""

    def __init__(self, code: int, message: str, data: Any = None, *, is_modern: bool = False) -> None:
        super().__init__(message)
        self.code, self.message, self.data, self.is_modern = code, message, data, is_modern

    def to_json(self) -> dict[str, Any]:
        """The member `error` of the reply."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        return error if self.data is None else {**error, "data": self.data}


@dataclass(frozen=True, slots=True)
class Message:
    """A request; a notification, whose `id` is None; or, with an empty `method`, a response that a client sent."""

    method: str
    id: str | int | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    is_modern: bool = False


def read_message(body: Any, headers: Mapping[str, str]) -> Message:
    """Validate a message and the headers that repeat its content. Raises RpcError.

    `headers`: those of the request that repeat its content; absent ones are left out.
    """
    if not isinstance(body, dict):
        raise RpcError(INVALID_REQUEST, "the body must be one JSON-RPC message, an object; batches are not supported")
    method, message_id, params = body.get("method", ""), id_of(body), body.get("params")
    is_modern = _is_modern(params, headers)
    if body.get("jsonrpc") != "2.0":
        raise RpcError(INVALID_REQUEST, 'jsonrpc must be "2.0"', is_modern=is_modern)
    if "method" not in body and ("result" in body or "error" in body):
        return Message("")
    if not isinstance(method, str) or not method:
        raise RpcError(INVALID_REQUEST, "method must be a string", is_modern=is_modern)
    if "id" in body and message_id is None:
        raise RpcError(INVALID_REQUEST, "id must be a string or a whole number", is_modern=is_modern)
    if params is not None and not isinstance(params, dict):
        raise RpcError(INVALID_PARAMS, "params must be an object", is_modern=is_modern)
    message = Message(method, message_id, params or {}, is_modern)
    _check_version(message, headers)
    return message


def id_of(body: Any) -> str | int | None:
    """The id of a message, for the reply to one that is invalid otherwise; None if it has no valid id."""
    found = body.get("id") if isinstance(body, dict) else None
    return found if isinstance(found, str | int) and not isinstance(found, bool) else None


def _is_modern(params: Any, headers: Mapping[str, str]) -> bool:
    meta = params.get("_meta") if isinstance(params, dict) else None
    named = isinstance(meta, dict) and META_VERSION in meta
    return named or headers.get(mcp_headers.VERSION, HANDSHAKE_VERSIONS[0]) not in HANDSHAKE_VERSIONS


def _check_version(message: Message, headers: Mapping[str, str]) -> None:
    if not message.is_modern or message.method == "initialize":
        return  # a client that begins with `initialize` negotiates in the body
    version = headers.get(mcp_headers.VERSION)
    if message.id is None:
        _check_supported(version)
        return
    meta = message.params.get("_meta")
    if not isinstance(meta, dict) or META_VERSION not in meta:
        _check_supported(version)
        raise _invalid(f"params._meta must be an object with {META_VERSION} and {META_CAPABILITIES}")
    for name, value in mcp_headers.repeated({"method": message.method, "params": message.params}).items():
        if mcp_headers.decoded(headers.get(name)) != value:
            problem = f"the header {name} must equal {mcp_headers.SOURCES[name]} of the body"
            raise RpcError(HEADER_MISMATCH, problem, is_modern=True)
    _check_supported(version)
    if META_CAPABILITIES not in meta:
        raise _invalid(f"params._meta lacks {META_CAPABILITIES}")


def _check_supported(version: str | None) -> None:
    if version not in VERSIONS:
        data = {"supported": [*VERSIONS, *HANDSHAKE_VERSIONS], "requested": (version or "")[:_MAX_ECHOED_CHARS]}
        raise RpcError(UNSUPPORTED_VERSION, "Unsupported protocol version", data, is_modern=True)


def _invalid(problem: str) -> RpcError:
    return RpcError(INVALID_PARAMS, problem, is_modern=True)
