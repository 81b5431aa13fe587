"""The envelope of pickled calls and results."""

from __future__ import annotations

import io

import pytest

from jupyter_logstream.wire.envelope import ALIGNMENT_BYTES, BadEnvelope, pack, read_header, unpack


def packed(header, parts) -> bytes:
    return b"".join(pack(header, parts))


def test_header_and_parts_come_back_and_each_part_is_aligned() -> None:
    data = packed({"type": "int"}, [b"pickle", b"x" * 100, b""])
    header, parts = unpack(data)
    assert header["type"] == "int"
    assert [bytes(part) for part in parts] == [b"pickle", b"x" * 100, b""]
    assert len(data) % ALIGNMENT_BYTES == 0
    assert data.index(b"x" * 100) % ALIGNMENT_BYTES == 0


def test_the_header_is_read_without_the_parts() -> None:
    assert read_header(io.BytesIO(packed({"type": "int"}, [b"p" * 10_000])))["parts"] == [10_000]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"no header",
        b"[]\n",
        b'{"format": 1}\n',
        b'{"format": 1, "parts": [-1]}\n',
        b'{"format": 1, "parts": "ab"}\n',
    ],
)
def test_what_is_no_envelope_is_refused(data: bytes) -> None:
    with pytest.raises(BadEnvelope, match="no header"):
        unpack(data)


def test_an_envelope_that_is_cut_off_is_refused_at_every_byte_of_its_parts() -> None:
    data = packed({}, [b"a" * 10, b"b" * 10])
    begin = data.index(b"\n") + 1
    end = data.index(b"b" * 10) + 10
    for size in range(begin, end):
        with pytest.raises(BadEnvelope, match="cut off"):
            unpack(data[:size])


def test_a_newer_format_is_refused() -> None:
    with pytest.raises(BadEnvelope, match="format 2"):
        unpack(b'{"format": 2, "parts": []}\n')


def test_a_header_beyond_the_limit_is_refused_when_it_is_written() -> None:
    with pytest.raises(BadEnvelope, match="bytes"):
        packed({"text": "x" * (1 << 20)}, [])
