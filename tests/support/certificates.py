"""A private certificate authority and a certificate of this machine's addresses. Test support."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def certificate(folder: Path, *addresses: str) -> tuple[Path, Path]:
    """A certificate of its own authority for these IP addresses: its file, and the file with key and certificate."""
    folder.mkdir(parents=True, exist_ok=True)
    key, own, both = folder / "key.pem", folder / "cert.pem", folder / "both.pem"
    names = ",".join(f"IP:{address}" for address in addresses)
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=tests"]
    files = ["-keyout", str(key), "-out", str(own), "-addext", f"subjectAltName={names}"]
    subprocess.run([*command, *files], check=True, capture_output=True)
    both.write_bytes(key.read_bytes() + own.read_bytes())
    return own, both
