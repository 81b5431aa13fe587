"""Self-test of a Ray backend: the cluster's API, and the way back to this server. Server; for the doctor only."""

from __future__ import annotations

import asyncio
import ipaddress
from urllib.parse import urlsplit

from ..protocol import CannotReach, Check
from .api import Http, RayApi

_PROBE_TIMEOUT_S = 5.0
_PROBE = "/logstream/v1/workloads/none/runner"
_WRONG_TOKEN = "the token does not belong to this workload"  # noqa: S105 - the answer to a request without one


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
    if not public_url:
        found = "none: the server listens where other machines do not reach it"
        return Check(what, ok=False, found=found, advice=advice)
    host = urlsplit(public_url).hostname or ""
    if _is_loopback(host) and not _is_loopback(api.host):
        return Check(what, ok=False, found=f"{public_url}, which is only this machine", advice=advice)
    if problem := await _find_problem(public_url, api.ca):
        return Check(what, ok=False, found=f"{public_url}, which does not lead here: {problem}", advice=advice)
    return Check(what, ok=True, found=f"{public_url} (it answers here; the cluster must reach it, too)")


async def _find_problem(public_url: str, ca: str) -> str:
    """Why a runner's request to this URL does not arrive at this server, tried from here; "" if it does."""
    try:
        status, body = await asyncio.wait_for(Http("this server", public_url, {}, ca).status(_PROBE), _PROBE_TIMEOUT_S)
    except asyncio.TimeoutError:
        return "no answer"
    except CannotReach as error:
        return str(error)
    return "" if _WRONG_TOKEN in body else f"it answers {status}, not as this server does"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
