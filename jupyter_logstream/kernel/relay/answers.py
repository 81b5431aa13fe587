"""Answers of the server to requests of a page, sent in parts. Runs in kernels, on the background loop."""

from __future__ import annotations

from typing import Any

from ..connection import open_response
from ..errors import LogStreamError
from .messages import MAX_PART_BYTES, MAX_RESPONSE_BYTES, chunk, error_body, is_allowed
from .outgoing import Outgoing

_HEADERS = ("content-type", "content-disposition", "retry-after")
_SENT = {"accept", "content-type", "last-event-id"}


async def answer(request: dict[str, Any], outgoing: Outgoing) -> None:
    """Send the server's response to `{"id", "method", "path", "headers", "body"}` as `response`, `chunk`..., `end`.

    A request that views do not send, and a server that does not answer, is answered by an error in the server's form. A
    body beyond MAX_RESPONSE_BYTES ends with an error.
    """
    name, method, path = str(request["id"]), str(request.get("method", "GET")), str(request["path"])
    if not is_allowed(method, path):
        await _fail(outgoing, name, 403, f"The kernel does not relay {method} {path}", "not_relayed")
        return
    accept = {key: str(value) for key, value in request.get("headers", {}).items() if key.lower() in _SENT}
    body = request.get("body")
    try:
        async with open_response(method, path, None if body is None else str(body).encode(), accept) as response:
            headers = {key: response.headers[key] for key in _HEADERS if key in response.headers}
            outgoing.send({"type": "response", "id": name, "status": response.status_code, "headers": headers})
            total = 0
            async for data in response.aiter_bytes(MAX_PART_BYTES if _is_body(headers) else None):
                total += len(data)
                if total > MAX_RESPONSE_BYTES:
                    limit = MAX_RESPONSE_BYTES // 1_000_000
                    outgoing.send({"type": "end", "id": name, "error": f"More than {limit} MB cannot pass the kernel."})
                    return
                await outgoing.send_answer(chunk(name, data), len(data))
            outgoing.send({"type": "end", "id": name})
    except LogStreamError as error:
        await _fail(outgoing, name, 503, str(error), "no_server")


def _is_body(headers: dict[str, str]) -> bool:
    """Whether it has an end that is near; the events of a stream are sent as they come."""
    return not headers.get("content-type", "").startswith("text/event-stream")


async def _fail(outgoing: Outgoing, name: str, status: int, message: str, reason: str) -> None:
    headers = {"content-type": "application/json"}
    outgoing.send({"type": "response", "id": name, "status": status, "headers": headers})
    outgoing.send(chunk(name, error_body(message, reason)))
    outgoing.send({"type": "end", "id": name})
