"""Answers of the server to requests of a page, sent in parts. Runs in kernels, on the background loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import LogStreamError
from ..streaming import open_response
from .messages import MAX_PART_BYTES, MAX_RESPONSE_BYTES, chunk, error_body, is_allowed
from .outgoing import Outgoing

if TYPE_CHECKING:
    import httpx

TOO_LARGE = (
    f"This is larger than {MAX_RESPONSE_BYTES // 1_000_000} MB, which is the limit of downloads through the kernel. "
    "Save it there: open('log.txt', 'w').write(job.text())"
)

_HEADERS = ("content-type", "content-disposition", "retry-after")
_SENT = {"accept", "content-type", "last-event-id"}


async def answer(request: dict[str, Any], outgoing: Outgoing) -> None:
    """Send the server's response to `{"id", "method", "path", "headers", "body"}` as `response`, `chunk`..., `end`.

    The response to a request for a little JSON is the one message `response`, with its body as `text`.

    A request that views do not send, a server that does not answer and a body beyond MAX_RESPONSE_BYTES are answered by
    an error in the server's form.
    """
    name, method, path = str(request["id"]), str(request.get("method", "GET")), str(request["path"])
    if not is_allowed(method, path):
        await _fail(outgoing, name, 403, f"The kernel does not relay {method} {path}", "not_relayed")
        return
    accept = {key: str(value) for key, value in request.get("headers", {}).items() if key.lower() in _SENT}
    body = request.get("body")
    try:
        async with open_response(method, path, None if body is None else str(body).encode(), accept) as response:
            if int(response.headers.get("content-length", 0)) > MAX_RESPONSE_BYTES:
                await _fail(outgoing, name, 413, TOO_LARGE, "too_large")
                return
            headers = {key: response.headers[key] for key in _HEADERS if key in response.headers}
            head = {"type": "response", "id": name, "status": response.status_code, "headers": headers}
            if _is_small_text(response):
                text = (await response.aread()).decode(errors="replace")
                await outgoing.send_answer({**head, "text": text}, len(text))
                return
            outgoing.send(head)
            error = await _send_body(response, name, outgoing, whole=not _is_stream(headers))
            outgoing.send({"type": "end", "id": name, **({"error": error} if error else {})})
    except LogStreamError as error:
        await _fail(outgoing, name, 503, str(error), "no_server")


async def _send_body(response: httpx.Response, name: str, outgoing: Outgoing, *, whole: bool) -> str:
    """Send the body in parts; with `whole` in as few as possible. Returns the error that ends it, if any."""
    total = 0
    async for data in response.aiter_bytes(MAX_PART_BYTES if whole else None):
        total += len(data)
        if whole and total > MAX_RESPONSE_BYTES:
            return TOO_LARGE
        for start in range(0, len(data), MAX_PART_BYTES):
            part = data[start : start + MAX_PART_BYTES]
            await outgoing.send_answer(chunk(name, part), len(part))
    return ""


def _is_stream(headers: dict[str, str]) -> bool:
    """Whether the events of a stream are its body, to be sent as they come."""
    return headers.get("content-type", "").startswith("text/event-stream")


def _is_small_text(response: httpx.Response) -> bool:
    """Whether the body is JSON that fits one message: that saves two messages and the base64."""
    size = int(response.headers.get("content-length", MAX_PART_BYTES))
    return size < MAX_PART_BYTES and response.headers.get("content-type", "").startswith("application/json")


async def _fail(outgoing: Outgoing, name: str, status: int, message: str, reason: str) -> None:
    head = {"type": "response", "id": name, "status": status, "headers": {"content-type": "application/json"}}
    outgoing.send({**head, "text": error_body(message, reason)})
