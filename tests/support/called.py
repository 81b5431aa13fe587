"""A workload with a call and a result, without Python in its process. Test support."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from support.web import Site

OCTETS = {"Content-Type": "application/octet-stream"}
HEADER = '{"format": 1, "parts": [], "kind": "value", "type": "int", "repr": "4"}'
# Its result is the header and what was uploaded.
SCRIPT = f"""d="${{JUPYTER_LOGSTREAM_CALL#*:}}"; (echo '{HEADER}'; cat "$d/call") > "$d/result\""""


async def run_call(site: Site, call: bytes = b"the call") -> str:
    """Upload it, run the script to its end; returns the id."""
    uploaded = await site.request("POST", "v1/payloads", call, OCTETS)
    spec = {"command": SCRIPT, "call": "f(2)", "payload": uploaded.json["id"]}
    created = await site.request("POST", "v1/workloads", json=spec)
    await site.state(created.json["id"], "succeeded")
    return str(created.json["id"])
