"""Uploaded payloads on disk."""

from __future__ import annotations

import os
import time

import pytest

from jupyter_logstream.server.payloads import MAX_AGE_S, Payloads, TooLarge, TooManyPayloads, UnknownPayload


def upload(payloads: Payloads, data: bytes) -> str:
    one = payloads.upload()
    one.write(data)
    return one.commit()


def test_a_payload_is_stored_for_the_user_only_until_it_is_discarded(tmp_path) -> None:
    payloads = Payloads(tmp_path / "payloads", 100)
    found = upload(payloads, b"x" * 100)
    assert payloads.path(found).read_bytes() == b"x" * 100
    assert payloads.path(found).stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "payloads").stat().st_mode & 0o777 == 0o700
    payloads.discard(found)
    with pytest.raises(UnknownPayload):
        payloads.path(found)


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "A" * 32, "0" * 31, "0" * 32])
def test_only_ids_of_payloads_that_wait_are_known(tmp_path, name: str) -> None:
    payloads = Payloads(tmp_path / "payloads", 100)
    upload(payloads, b"x")
    with pytest.raises(UnknownPayload):
        payloads.path(name)


def test_a_link_in_place_of_a_payload_is_not_followed(tmp_path) -> None:
    payloads = Payloads(tmp_path / "payloads", 100)
    found = payloads.path(upload(payloads, b"x"))
    found.unlink()
    found.symlink_to("/etc/passwd")
    with pytest.raises(UnknownPayload):
        payloads.path(found.name)


def test_what_is_too_large_is_refused_at_the_first_byte_too_many_and_leaves_nothing(tmp_path) -> None:
    payloads = Payloads(tmp_path / "payloads", 100)
    one = payloads.upload()
    one.write(b"x" * 100)
    with pytest.raises(TooLarge, match="100 bytes"):
        one.write(b"x")
    one.abort()
    assert list((tmp_path / "payloads").iterdir()) == []


def test_payloads_that_nobody_used_expire_and_fill_at_most_their_space(tmp_path) -> None:
    payloads = Payloads(tmp_path / "payloads", 10)
    found = [payloads.path(upload(payloads, b"x" * 10)) for _ in range(17)]
    with pytest.raises(TooManyPayloads):
        payloads.upload()
    for path in found:
        os.utime(path, (0, time.time() - MAX_AGE_S - 60))
    upload(payloads, b"x")
    assert len(list((tmp_path / "payloads").iterdir())) == 1
