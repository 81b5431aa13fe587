"""Request bodies and ids that the server must reject. Test support."""

from __future__ import annotations

BAD_BODIES: list[tuple[bytes, dict[str, str], int]] = [
    (b"", {}, 400),
    (b"{", {}, 400),
    (b"[]", {}, 400),
    (b"5", {}, 400),
    (b"null", {}, 400),
    (b'"ls"', {}, 400),
    (b'{"command": NaN}', {}, 400),
    (b'{"command": "ls", "timeout": Infinity}', {}, 400),
    (b'{"command": "ls", "command": "pwd"}', {}, 400),
    (b'{"command": "\xff"}', {}, 400),
    ('{"command": "ls"}'.encode("utf-16"), {}, 400),
    (b'\xef\xbb\xbf{"command": "ls"}', {}, 400),
    (b"[" * 100_000, {}, 400),
    (b'{"command":' * 50_000, {}, 400),
    (b'{"command": "ls", "timeout": ' + b"9" * 5000 + b"}", {}, 400),
    (b'{"command": "\\ud800"}', {}, 400),
    (b'{"command": "ls"}', {"Content-Encoding": "gzip"}, 415),
    (b"command=ls", {"Content-Type": "application/x-www-form-urlencoded"}, 415),
    (b'{"command": "ls"}', {"Content-Type": "text/plain"}, 415),
    (b'{"command": "ls", "env": {"A": "' + b"x" * (11 * 1024 * 1024) + b'"}}', {}, 413),
]


NO_IDS = [
    "..", "%2e%2e", "..%2F..%2Fetc%2Fpasswd", "%00", "a%0d%0aX:y", "%ff", "x" * 5000, "x" * 65, "nul.", "a%20", "a.b",
    "%E2%80%AE", "*", "a;b", "a%5Cb", "AAAAAAAAAAAAAAAAAAAAAAAAAA", "-", "null",
]  # fmt: skip
