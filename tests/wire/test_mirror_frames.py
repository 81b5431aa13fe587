"""Frames of a mirror: any division of the bytes gives the same frames, and what is no frame is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_logstream.wire.mirror_frames import GREETING, BadFrame, FrameDecoder, encode, is_append_only

FRAMES = [({"hello": 1}, b""), ({"file": "stdout.000", "offset": 3, "size": 4}, b"a\n\0b"), ({"final": {}}, b"")]


def stream() -> bytes:
    return encode({"hello": 1}) + encode({"file": "stdout.000", "offset": 3}, b"a\n\0b") + encode({"final": {}})


@given(st.lists(st.integers(1, 40), min_size=1, max_size=40))
def test_frames_survive_any_division(sizes: list[int]) -> None:
    data, decoder, found = b"motd\n" + GREETING + stream(), FrameDecoder(greeting=True), []
    for size in [*sizes, len(data)]:
        found += decoder.feed(data[:size])
        data = data[size:]
    assert found == FRAMES


def test_text_without_a_greeting_is_reported() -> None:
    decoder = FrameDecoder(greeting=True)
    assert decoder.feed(b"bash: python3: command not found\n") == []
    assert decoder.preamble == "bash: python3: command not found"
    with pytest.raises(BadFrame, match="command not found"):
        decoder.feed(b"x" * 70_000)


@pytest.mark.parametrize("line", [b"{\n", b"[]\n", b'{"size": -1}\n', b'{"size": "1"}\n', b'{"size": 99999999999}\n'])
def test_what_is_no_frame_is_refused(line: bytes) -> None:
    with pytest.raises(BadFrame):
        FrameDecoder().feed(line)


def test_a_header_without_an_end_is_refused() -> None:
    decoder = FrameDecoder()
    decoder.feed(b"x" * (4 << 20))
    with pytest.raises(BadFrame, match="too long"):
        decoder.feed(b"x")


@pytest.mark.parametrize(
    ("name", "accepted"),
    [
        ("stdout.000", True),
        ("index.1000", True),
        ("result", True),
        ("stdout.0001", False),
        ("spec.json", False),
        ("../stdout.000", False),
        ("stdout.000\n", False),
        ("status.json", False),
    ],
)
def test_only_files_of_a_log_are_copied(name: str, accepted: bool) -> None:
    assert is_append_only(name) is accepted
