"""Self-test of a Ray backend: the cluster's API, and the way back to this server. Server; for the doctor only."""

from __future__ import annotations

import asyncio
import ipaddress
from urllib.parse import urlsplit

from .protocol import CannotReach, Check
from .ray_api import RayApi

_PROBE_TIMEOUT_S = 5.0


async def check_ray(api: RayApi, public_url: str) -> list[Check]:
    """Try the API, the list of jobs, and the URL for runners; what depends on a failed test is left out."""
    reach = f"reach Ray at {api.address}"
    try:
        version = await api.version()
    except CannotReach as error:
        advice = "set `address` to the URL of Ray's dashboard, and `headers` if a proxy there needs a login"
        return [Check(reach, ok=False, found=str(error), advice=advice)]
    checks = [Check(reach, ok=True, found=f"Ray {version}")]
    try:
        count = len(await api.jobs())
        checks.append(Check("list its jobs", ok=True, found=f"{count} jobs"))
    except CannotReach as error:
        advice = 'install Ray with the dashboard on the head: pip install "ray[default]"'
        return [*checks, Check("list its jobs", ok=False, found=str(error), advice=advice)]
    return [*checks, await _check_way_back(api, public_url)]


async def _check_way_back(api: RayApi, public_url: str) -> Check:
    """Whether the URL for runners can be one that the cluster reaches; only a job can test it from there."""
    what = "have a URL at which jobs reach this server"
    advice = "set c.LogStream.public_url to this server's URL as the cluster sees it; else Ray's own log is used"
    host = urlsplit(public_url).hostname or ""
    if not host:
        return Check(what, ok=False, found="none", advice=advice)
    if _is_loopback(host) and not _is_loopback(api.host):
        return Check(what, ok=False, found=f"{public_url}, which is only this machine", advice=advice)
    port = urlsplit(public_url).port or (443 if public_url.startswith("https") else 80)
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(host, port), _PROBE_TIMEOUT_S)
        writer.close()
    except (OSError, asyncio.TimeoutError) as error:
        found = f"{public_url}, which does not answer here: {str(error) or 'time-out'}"
        return Check(what, ok=False, found=found, advice=advice)
    return Check(what, ok=True, found=f"{public_url} (it answers here; the cluster must reach it, too)")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
