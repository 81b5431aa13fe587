"""SSE encoder and decoder against the shared vectors, with every chunking, in linear time."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from support.cpu_time import ratio
from support.paths import VECTORS

from jupyter_logstream.wire.sse import Decoder, Event, EventTooLarge, encode, encode_json

CASES = json.loads((VECTORS / "sse.json").read_text(encoding="utf-8"))
SIZES = [1, 7, 1024, 4096, 65536]


def named(vectors: list[dict[str, Any]]) -> list[Any]:
    return [pytest.param(vector, id=vector["id"]) for vector in vectors]


def input_of(vector: dict[str, Any]) -> bytes:
    if "input_b64" in vector:
        return base64.b64decode(vector["input_b64"])
    return "".join(map(part_of, vector["input_parts"])).encode()


def part_of(part: dict[str, Any]) -> str:
    if "text" in part:
        return str(part["text"])
    if "repeat" in part:
        return str(part["repeat"] * part["count"])
    return "".join(part["counter"].replace("{i}", str(i)) for i in range(part["from"], part["to"] + 1))


def expected_of(vector: dict[str, Any]) -> list[Event]:
    if "expected_events" in vector:
        return [Event(**event) for event in vector["expected_events"]]
    found = []
    for made in vector["expected_events_generated"]:
        if "counter" in made:
            numbers = map(str, range(made["from"], made["to"] + 1))
            found += [Event(**{k: v.replace("{i}", i) for k, v in made["counter"].items()}) for i in numbers]
        else:
            text, times = made.get("data_repeat", (made.get("data", ""), 1))
            found.append(Event(made["type"], text * times, made["id"]))
    return found


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


def chunkings(data: bytes, *, large: bool) -> Iterator[Iterable[bytes]]:
    yield [data]
    if large:
        yield from (pieces(data, size) for size in SIZES)
        return
    yield pieces(data, 1)
    for a in range(1, len(data)):
        yield data[:a], data[a:]
        if len(data) <= 40:
            for b in range(a + 1, len(data)):
                yield data[:a], data[a:b], data[b:]


def decoded(chunks: Iterable[bytes]) -> tuple[list[Event], Decoder]:
    decoder, events = Decoder(), []
    for chunk in chunks:
        if found := decoder.feed(chunk):
            events += found
    return events, decoder


@pytest.mark.parametrize("vector", named(CASES["parse_vectors"]))
def test_decoding_does_not_depend_on_chunk_boundaries(vector: dict[str, Any]) -> None:
    data, expected, large = input_of(vector), expected_of(vector), "input_parts" in vector
    for chunks in chunkings(data, large=large):
        # An empty chunk changes nothing.
        events, decoder = decoded(chunks if large else (piece for chunk in chunks for piece in (chunk, b"")))
        assert events == expected
        assert decoder.last_event_id == vector["expected_last_event_id"]
        if vector["class"] == "must":
            assert decoder.retry == vector["expected_retry_ms"]
        else:
            assert decoder.retry is None or 0 < decoder.retry < 2**31


@pytest.mark.parametrize("vector", named([v for v in CASES["encode_vectors"] if v["must"] == "decode_to"]))
def test_encoded_events_decode_to_the_same(vector: dict[str, Any]) -> None:
    events, _ = decoded([encode(**vector["input"])])
    assert events == [Event(**event) for event in vector["decode_to"]]


@pytest.mark.parametrize("vector", named([v for v in CASES["encode_vectors"] if v["must"] == "reject"]))
def test_value_that_would_forge_a_field_is_refused(vector: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"must"):
        encode(**vector["input"])


def test_encode_json_equals_encode() -> None:
    payload = '{"a":"\\n","b":1}'
    assert encode_json("logs", b'"a":"\\n"', b',"b":1', cursor=7) == encode(payload, event="logs", id=7)
    assert encode_json("status", b'"a":"\\n","b":1') == encode(payload, event="status")


def test_carriage_return_ends_its_line_and_skips_a_line_feed_in_the_next_chunk() -> None:
    decoder = Decoder()
    assert decoder.feed(b"data: a\r\r") == [Event("message", "a", "")]
    assert decoder.feed(b"\ndata: b\r\n\r") == [Event("message", "b", "")]
    assert decoder.feed(b"\n\n") == []


@pytest.mark.parametrize("vector", named(CASES["limit_vectors"]))
@pytest.mark.parametrize("size", [1 << 16, 1 << 30])
def test_an_event_of_more_than_16_mib_is_refused(vector: dict[str, Any], size: int) -> None:
    chunks = pieces(input_of(vector), size)
    if vector["expected_events"] is None:
        with pytest.raises(EventTooLarge, match="more than 16 MiB"):
            decoded(chunks)
    else:
        assert len(decoded(chunks)[0]) == vector["expected_events"]


def test_unfinished_block_is_no_event_and_its_id_has_no_effect() -> None:
    events, decoder = decoded([b"id: 1\ndata: a\n\nid: 2\ndata: b\n"])
    assert [event.id for event in events] == ["1"]
    assert decoder.last_event_id == "1"


@pytest.mark.parametrize("size", [1, 7])
def test_decoding_time_is_linear_in_the_input(size: int) -> None:
    def decode(length: int) -> None:
        assert len(decoded(pieces(b"data: " + b"y" * length + b"\n\n", size))[0]) == 1

    # Sixteen times the input: sixteen times the time when linear, 256 times when not.
    assert ratio(decode, 50_000, 16) < 64
