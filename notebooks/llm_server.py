"""A small LLM service for llm_requests.ipynb and the tests: OpenAI's and Anthropic's HTTP, made-up words. stdlib only.

    python llm_server.py [--port 0] [--key KEY] [--pause SECONDS] [--gzip]

It prints its address, then a line per call. Its tokens are words; its HTTP and its server-sent events are real. Models:
`tiny` answers, `missing` is not found (404), `busy` is overloaded (429), `broken` breaks off in the middle.
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
import zlib
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ANSWER = "The gradient descends quietly through the evening until it finds a valley and calls it home ."
WORDS = ANSWER.split()
CACHED = 2  # input tokens that are always reported as cached


class Refused(Exception):
    """An answer with an error."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status, self.kind = status, kind


class Service(ThreadingHTTPServer):
    """Takes many calls at once: a full queue of connections would cost the next one a second."""

    request_queue_size = 128


class LLM(BaseHTTPRequestHandler):
    """One call."""

    protocol_version = "HTTP/1.1"
    key = ""
    pause = 0.0
    zipped = False

    def do_GET(self) -> None:
        """`/v1/models`."""
        models = [{"id": name, "object": "model"} for name in ("tiny", "missing", "busy", "broken")]
        self.respond(200, {"object": "list", "data": models})

    def do_POST(self) -> None:
        """Everything else."""
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        path = self.path.partition("?")[0].removeprefix("/v1")
        try:
            self.check(path, body)
            answer = ROUTES[path](body)
            if isinstance(answer, dict):
                self.respond(200, answer)
            else:
                self.stream(answer, breaks=body["model"] == "broken")
        except Refused as error:
            self.respond(error.status, {"type": "error", "error": {"type": error.kind, "message": str(error)}})
        except BrokenPipeError:
            print("the caller left", flush=True)

    def check(self, path: str, body: dict[str, Any]) -> None:
        """Who calls, for what, and for which model."""
        given = self.headers.get("Authorization", "").removeprefix("Bearer ") or self.headers.get("x-api-key", "")
        if self.key and given != self.key:
            raise Refused(401, "authentication_error", f"Incorrect API key provided: {given or 'none'}")
        if path not in ROUTES:
            raise Refused(404, "not_found_error", f"no route {path}")
        if body.get("model") == "missing":
            raise Refused(404, "not_found_error", "The model `missing` does not exist")
        if body.get("model") == "busy":
            raise Refused(429, "rate_limit_error", "Too many requests: try again later")

    def respond(self, status: int, value: dict[str, Any]) -> None:
        """A whole answer."""
        body = json.dumps(value).encode()
        self.send_response(status)
        if self.zipped and "gzip" in self.headers.get("Accept-Encoding", ""):
            body = gzip.compress(body)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def stream(self, events: Iterator[str], *, breaks: bool) -> None:
        """An answer word by word."""
        self.send_response(200)
        squeeze = _gzip() if self.zipped and "gzip" in self.headers.get("Accept-Encoding", "") else None
        if squeeze is not None:
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number, event in enumerate(events):
            if breaks and number == 4:
                self.close_connection = True
                return
            data = event.encode()
            if squeeze is not None:
                data = squeeze.compress(data) + squeeze.flush(zlib.Z_SYNC_FLUSH)
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            time.sleep(self.pause)
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, template: str, *values: object) -> None:
        """To where one looks: standard output."""
        print(template % values, flush=True)


def chat(body: dict[str, Any]) -> dict[str, Any] | Iterator[str]:
    """OpenAI's chat completions."""
    prompt_tokens, answer = _count(body.get("messages")), _words(body)
    usage = {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": len(answer),
        "total_tokens": prompt_tokens + len(answer),
        "prompt_tokens_details": {"cached_tokens": CACHED},
    }
    base = {"id": "chatcmpl-1", "created": int(time.time()), "model": f"{body['model']}-2026-01-01"}
    if not body.get("stream"):
        message = {"role": "assistant", "content": " ".join(answer)}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return {**base, "object": "chat.completion", "choices": [choice], "usage": usage}
    return _chat_events({**base, "object": "chat.completion.chunk"}, answer, usage if _wants_usage(body) else None)


def _chat_events(base: dict[str, Any], answer: list[str], usage: dict[str, Any] | None) -> Iterator[str]:
    for number, word in enumerate(answer):
        delta = {"role": "assistant", "content": word} if number == 0 else {"content": f" {word}"}
        yield _event({**base, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    yield _event({**base, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    if usage is not None:
        yield _event({**base, "choices": [], "usage": usage})
    yield "data: [DONE]\n\n"


def responses(body: dict[str, Any]) -> dict[str, Any] | Iterator[str]:
    """OpenAI's responses."""
    prompt_tokens, answer = _count(body.get("input")), _words(body)
    text = {"type": "output_text", "text": " ".join(answer), "annotations": []}
    message = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [text]}
    whole = {
        "id": "resp_1", "object": "response", "created_at": time.time(), "model": f"{body['model']}-2026-01-01",
        "status": "completed", "output": [message], "parallel_tool_calls": True, "tool_choice": "auto", "tools": [],
        "usage": {
            "input_tokens": prompt_tokens, "input_tokens_details": {"cached_tokens": CACHED, "cache_write_tokens": 0},
            "output_tokens": len(answer), "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": prompt_tokens + len(answer),
        },
    }  # fmt: skip
    return _response_events(whole, answer) if body.get("stream") else whole


def _response_events(whole: dict[str, Any], answer: list[str]) -> Iterator[str]:
    begun = {**whole, "status": "in_progress", "output": [], "usage": None}
    yield _typed({"type": "response.created", "sequence_number": 0, "response": begun})
    where = {"item_id": "msg_1", "output_index": 0, "content_index": 0, "logprobs": []}
    for number, word in enumerate(answer):
        delta = f" {word}" if number else word
        yield _typed({"type": "response.output_text.delta", "sequence_number": number + 1, "delta": delta, **where})
    yield _typed({"type": "response.completed", "sequence_number": len(answer) + 1, "response": whole})


def messages(body: dict[str, Any]) -> dict[str, Any] | Iterator[str]:
    """Anthropic's messages: what came from the cache is counted beside the input tokens."""
    prompt_tokens, answer = _count(body.get("messages")), _words(body)
    uncached = prompt_tokens - CACHED
    usage = {"input_tokens": uncached, "cache_read_input_tokens": CACHED, "cache_creation_input_tokens": 0}
    whole = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": f"{body['model']}-2026-01-01",
        "content": [{"type": "text", "text": " ".join(answer)}], "stop_reason": "end_turn", "stop_sequence": None,
        "usage": {**usage, "output_tokens": len(answer)},
    }  # fmt: skip
    return _message_events(whole, answer) if body.get("stream") else whole


def _message_events(whole: dict[str, Any], answer: list[str]) -> Iterator[str]:
    begun = {**whole, "content": [], "stop_reason": None, "usage": {**whole["usage"], "output_tokens": 1}}
    yield _typed({"type": "message_start", "message": begun})
    yield _typed({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})
    for number, word in enumerate(answer):
        delta = {"type": "text_delta", "text": f" {word}" if number else word}
        yield _typed({"type": "content_block_delta", "index": 0, "delta": delta})
    yield _typed({"type": "content_block_stop", "index": 0})
    end = {"stop_reason": "end_turn", "stop_sequence": None}
    yield _typed({"type": "message_delta", "delta": end, "usage": {"output_tokens": len(answer)}})
    yield _typed({"type": "message_stop"})


def embeddings(body: dict[str, Any]) -> dict[str, Any]:
    """OpenAI's embeddings."""
    texts = body["input"] if isinstance(body.get("input"), list) else [body.get("input", "")]
    data = [{"object": "embedding", "index": i, "embedding": [len(str(t)) / 8, 0.5, -0.5]} for i, t in enumerate(texts)]
    prompt_tokens = _count(texts)
    return {
        "object": "list",
        "data": data,
        "model": body["model"],
        "usage": {"prompt_tokens": prompt_tokens, "total_tokens": prompt_tokens},
    }


ROUTES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "/chat/completions": chat,
    "/responses": responses,
    "/messages": messages,
    "/embeddings": embeddings,
}


def _count(value: object) -> int:
    """Tokens: words, wherever they stand."""
    if isinstance(value, dict):
        return _count(value.get("content", value.get("text", "")))
    return sum(map(_count, value)) if isinstance(value, list) else len(str(value).split())


def _words(body: dict[str, Any]) -> list[str]:
    most = body.get("max_tokens") or body.get("max_completion_tokens") or body.get("max_output_tokens") or len(WORDS)
    return [WORDS[number % len(WORDS)] for number in range(min(most, 2000))]


def _wants_usage(body: dict[str, Any]) -> bool:
    return bool((body.get("stream_options") or {}).get("include_usage"))


def _event(value: dict[str, Any]) -> str:
    return f"data: {json.dumps(value)}\n\n"


def _typed(value: dict[str, Any]) -> str:
    return f"event: {value['type']}\n{_event(value)}"


def _gzip() -> Any:
    return zlib.compressobj(wbits=31)


def main() -> None:
    """Serve until ended."""
    parser = argparse.ArgumentParser(description="A small LLM service with made-up words.")
    parser.add_argument("--port", type=int, default=0, help="where to listen; 0: anywhere free")
    parser.add_argument("--key", default="", help="the API key that callers must have")
    parser.add_argument("--pause", type=float, default=0.05, help="seconds between two words")
    parser.add_argument("--gzip", action="store_true", help="compress for callers that take it")
    given = parser.parse_args()
    LLM.key, LLM.pause, LLM.zipped = given.key, given.pause, given.gzip
    server = Service(("127.0.0.1", given.port), LLM)
    print(f"listening on http://127.0.0.1:{server.server_address[1]}/v1", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
