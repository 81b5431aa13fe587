"""Reads the head of a proxied request: access, framing, caller, and the secrets it must not carry out. Server."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address
from urllib.parse import urlsplit

from jupyter_server.utils import url_path_join
from tornado.httputil import HTTPServerRequest  # noqa: TC002 - with the others

from ..proxy.rules import RUNS_CODE, credential_of
from ..proxy.upstreams import Upstream
from ..request_log.call import Caller, caller_of, check_caller
from .errors import Refused

_MIN_SECRET_COOKIE_CHARS = 16  # a shorter cookie value is no secret


def check_access(request: HTTPServerRequest, upstream: Upstream, *, is_kernel: bool) -> None:
    """Raises Refused (403) if this caller cannot use the upstream."""
    if is_kernel and not upstream.kernel:
        raise Refused(403, "kernel_refused", f"the upstream {upstream.name} is not available to kernels")
    if request.headers.get("Sec-Fetch-Dest", "") in RUNS_CODE:
        raise Refused(403, "not_a_script", "a page cannot run a proxied response as code: it is data")


def check_framing(request: HTTPServerRequest) -> None:
    """Raises Refused if the body's framing is malformed (RFC 9112, 6.3); Tornado would notice after the forwarding."""
    length, coding = request.headers.get("Content-Length"), request.headers.get("Transfer-Encoding")
    bad_length = length is not None and not (length.isascii() and length.isdigit())
    if bad_length or (coding is not None and (length is not None or coding.lower() != "chunked")):
        raise Refused(400, "bad_framing", "Content-Length or Transfer-Encoding is malformed")


def is_secure_context(request: HTTPServerRequest) -> bool:
    """Whether a browser regards the address as trustworthy: https, or this machine (W3C Secure Contexts, 3.1)."""
    try:
        host = urlsplit(f"//{request.host}").hostname or ""
    except ValueError:
        return False
    try:
        is_loopback = ip_address(host).is_loopback
    except ValueError:
        is_loopback = host == "localhost" or host.endswith(".localhost")
    return request.protocol == "https" or is_loopback


def has_body(request: HTTPServerRequest) -> bool:
    """Whether a body follows the head."""
    return "Transfer-Encoding" in request.headers or request.headers.get("Content-Length", "0") != "0"


def upstream_path(request: HTTPServerRequest, base_url: str) -> str:
    """The path behind the upstream's name, still escaped: empty, or from its slash on."""
    here = url_path_join(base_url, "logstream/proxy/")
    _, slash, rest = request.path[len(here) :].partition("/")
    return slash + rest


def secrets_of(request: HTTPServerRequest, known: Iterable[str], *, uses_header: bool) -> frozenset[str]:
    """The values that must not leave this server, wherever in the request they are.

    `known`: the server's own. `uses_header`: whether the Authorization header authenticated the caller (a hub's token).
    """
    found = set(known)
    found |= {morsel.value for morsel in request.cookies.values() if len(morsel.value) >= _MIN_SECRET_COOKIE_CHARS}
    if uses_header:
        found.add(credential_of(request.headers.get("Authorization", "")))
    return frozenset(found - {""})


def caller_of_request(request: HTTPServerRequest, *, is_kernel: bool) -> Caller:
    """Who makes the call, by its X-Logstream headers, else by the suffix of the kernel's key."""
    headers = request.headers
    named = check_caller(*(headers.get(f"X-Logstream-{name}") for name in ("Session", "Workload", "Cell")))
    keys = [headers.get(name, "") for name in ("Authorization", "x-api-key", "api-key", "x-goog-api-key")]
    by_key = next((caller_of(key.partition(".")[2]) for key in keys if is_kernel and "." in key), Caller())
    return Caller(named.session or by_key.session, named.workload_id or by_key.workload_id, named.cell or by_key.cell)
