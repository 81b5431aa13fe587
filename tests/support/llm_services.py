"""LLM services that speak as Gemini's, Ollama's and OpenAI's do, compressed if the caller accepts it. Test support."""

from __future__ import annotations

import json
import threading
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import brotli

KEY = "a-vendors-key-of-the-tests"
WORDS = ["The", " gradient", " descends"]
_PATIENCE_S = 60


class Services(ThreadingHTTPServer):
    """The services. A stream of a model `stepped...` sends each part but the first after a call of `step`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.steps = threading.Semaphore(0)
        self.seen: list[str] = []  # paths with queries
        self.keys: list[str] = []  # credentials of the calls

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def begin_steps(self) -> None:
        """The next stream has steps of its own; former ones that were left wait in vain."""
        self.steps = threading.Semaphore(0)

    def step(self) -> None:
        self.steps.release()


@contextmanager
def services() -> Iterator[Services]:
    with Services() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Services

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        self.server.seen.append(self.path)
        self.server.keys += [value for name in ("x-goog-api-key", "Authorization") if (value := self.headers.get(name))]
        path, _, query = self.path.partition("?")
        if ":" in path:
            self.gemini(*path.rpartition("/")[2].split(":"), as_events="alt=sse" in query)
        elif path.startswith("/api/"):
            self.ollama(path, body)
        else:
            parts = [_chunk(word) for word in WORDS]
            parts.append({**_chunk(""), "usage": {"prompt_tokens": 9, "completion_tokens": 5}})
            self.stream("text/event-stream", [_event(part) for part in parts] + [b"data: [DONE]\n\n"], body["model"])

    def gemini(self, model: str, method: str, *, as_events: bool) -> None:
        usage = {"promptTokenCount": 12, "candidatesTokenCount": 5, "thoughtsTokenCount": 20,
                 "cachedContentTokenCount": 8, "totalTokenCount": 37}  # fmt: skip
        if "mbed" in method:
            self.respond({"embeddings": [{"values": [0.5, 0.25]}], "embedding": {"values": [0.5, 0.25]}})
        elif method == "generateContent":
            self.respond({**_candidate("".join(WORDS), model, "MAX_TOKENS"), "usageMetadata": usage})
        else:
            parts = [_candidate(word, model) for word in WORDS]
            error = {"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}
            parts.append(error if model == "failing" else {**_candidate("", model, "STOP"), "usageMetadata": usage})
            if as_events:
                self.stream("text/event-stream", [_event(part) for part in parts], model)
            else:
                texts = [json.dumps(part, indent=2) for part in parts]
                self.stream("application/json", [b"[", *(f"{text},\n".encode() for text in texts[:-1]),
                                                 f"{texts[-1]}]".encode()], model)  # fmt: skip

    def ollama(self, path: str, body: dict[str, Any]) -> None:
        model, counts = body["model"], {"prompt_eval_count": 33, "eval_count": 12}
        last = {"model": model, "created_at": "2026-01-01T00:00:00Z", "done": True, "done_reason": "length", **counts}
        if path == "/api/embed":
            self.respond({"model": model, "embeddings": [[0.5, 0.25]], "prompt_eval_count": 4})
            return
        whole = {"message": {"role": "assistant", "content": ""}} if path == "/api/chat" else {"response": ""}
        if not body.get("stream", True):
            self.respond({**whole, **last})
            return
        parts: list[Any] = [{**_ollama_part(path, word), "model": model, "done": False} for word in WORDS]
        parts.append({"error": "model runner stopped"} if model == "failing" else {**whole, **last})
        lines = b"\n".join(json.dumps(part).encode() for part in parts).splitlines(keepends=True)
        self.stream("application/x-ndjson", lines, model)

    def respond(self, value: Any) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json; charset=UTF-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def stream(self, kind: str, parts: Iterable[bytes], model: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Transfer-Encoding", "chunked")
        compress = self.compression()
        self.end_headers()
        steps = self.server.steps
        for number, part in enumerate(parts):
            if number and model.startswith("stepped") and not steps.acquire(timeout=_PATIENCE_S):
                return
            data = compress(part)
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.write(b"0\r\n\r\n")

    def compression(self) -> Any:
        """What compresses a part so that the reader can decode it at once."""
        accepted = self.headers.get("Accept-Encoding", "")
        if "br" in accepted:
            self.send_header("Content-Encoding", "br")
            made = brotli.Compressor()
            return lambda part: made.process(part) + made.flush()
        if "gzip" in accepted:
            self.send_header("Content-Encoding", "gzip")
            squeeze = zlib.compressobj(wbits=31)
            return lambda part: squeeze.compress(part) + squeeze.flush(zlib.Z_SYNC_FLUSH)
        return bytes

    def log_message(self, *_: object) -> None:
        """Quiet."""


def _candidate(text: str, model: str, reason: str | None = None) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}
    return {"candidates": [candidate | ({"finishReason": reason} if reason else {})], "modelVersion": f"{model}-001"}


def _ollama_part(path: str, word: str) -> dict[str, Any]:
    return {"message": {"role": "assistant", "content": word}} if path == "/api/chat" else {"response": word}


def _chunk(word: str) -> dict[str, Any]:
    return {"model": "m-1", "choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}]}


def _event(value: Any) -> bytes:
    return f"data: {json.dumps(value)}\r\n\r\n".encode()
