"""What goes to an upstream and what comes back: paths, queries, headers. Server side; pure functions, no I/O.

The caller's credentials for Jupyter never go out; what an upstream says never acts on the notebook's origin; nobody
leaves the upstream's prefix. This file must not know connections, nor what bodies hold.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from urllib.parse import quote, unquote, unquote_plus, urljoin, urlsplit

from .upstreams import Upstream

Header = tuple[str, str]

_HOP_BY_HOP = frozenset(
    {
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection"),
        *("te", "trailer", "trailers", "transfer-encoding", "upgrade"),
    }
)

# Of a request: what is Jupyter's or the browser's (login, site, page), or is said anew for each connection.
_NOT_FORWARDED = frozenset(
    {
        *("cookie", "cookie2", "x-xsrftoken", "x-csrftoken", "origin", "referer", "host", "expect", "content-length"),
        *("forwarded", "x-real-ip", "x-scheme", "via", "service-worker"),
    }
)
_NOT_FORWARDED_FAMILIES = ("x-forwarded-", "x-logstream-", "sec-", "access-control-request-")

# Of a response: what would act on the whole origin, which is the notebook's, or is framed anew for each connection.
_NOT_RETURNED = frozenset(
    {
        *("set-cookie", "set-cookie2", "content-security-policy", "content-security-policy-report-only"),
        *("clear-site-data", "service-worker-allowed", "strict-transport-security", "public-key-pins", "alt-svc"),
        *("refresh", "nel", "report-to", "reporting-endpoints", "accept-ch", "critical-ch", "origin-agent-cluster"),
        *("x-frame-options", "x-content-type-options", "cross-origin-resource-policy", "cross-origin-opener-policy"),
        *("cross-origin-embedder-policy", "permissions-policy", "feature-policy", "p3p", "expect-ct", "sourcemap"),
        *("x-sourcemap", "speculation-rules", "set-login", "timing-allow-origin", "observe-browsing-topics"),
        *("x-dns-prefetch-control", "document-policy", "activate-storage-access", "content-location", "location"),
        *("use-as-dictionary", "x-sendfile", "x-permitted-cross-domain-policies"),
    }
)
_NOT_RETURNED_FAMILIES = ("access-control-", "attribution-reporting-", "x-accel-")
_ASKS_THE_USER = re.compile(
    r"\s*(basic|digest|negotiate|ntlm)\b", re.IGNORECASE
)  # a browser would ask, and keep the answer

ALWAYS_RETURNED: tuple[Header, ...] = (
    ("Content-Security-Policy", "default-src 'none'; sandbox"),
    ("X-Content-Type-Options", "nosniff"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
"""With every response: shown as a page it may do nothing and is of no origin; as a script it is not taken."""

RUNS_CODE = frozenset(
    {"script", "worker", "sharedworker", "serviceworker", "audioworklet", "paintworklet", "style", "xslt", "manifest"}
    | {"embed", "object", "frame", "iframe"}
)
"""What a browser asks for (Sec-Fetch-Dest) where the answer would act on the page: refused."""

_TELLING = 8  # characters
_OPAQUE = re.compile(r"[^\x21-\x7e]")


class BadPath(ValueError):
    """A path that might lead out of the upstream's prefix, or that would carry a secret out."""


def target(upstream: Upstream, path: str, query: str, secrets: Collection[str]) -> str:
    """The request's target at the upstream. Raises BadPath.

    `path` (empty, or from its slash on) and `query` as they came, still escaped.
    """
    plain = _unquoted(path)
    if any(ord(char) < 0x20 or ord(char) == 0x7F for char in plain):
        raise BadPath("the path holds a control character")
    if _leads_up(plain):
        raise BadPath("the path must not lead upwards")
    if any(holds(segment, secrets) for segment in plain.split("/")):
        raise BadPath("the path holds a secret of this server")
    whole = f"{upstream.prefix}{path}" or "/"
    kept = kept_query(query, secrets)
    return _escaped(f"{whole}?{kept}" if kept else whole)


def holds(value: str, secrets: Collection[str]) -> bool:
    """Whether a value is or holds a secret; one that is too short to be told from a word only counts as the whole."""
    whole = {value, value.partition(" ")[2].strip()}
    return any(secret in whole or (len(secret) >= _TELLING and secret in value) for secret in secrets)


def kept_query(query: str, secrets: Collection[str]) -> str:
    """The query without Jupyter's own parameters and without those that hold a secret; the rest as it came."""
    kept = []
    for part in query.split("&"):
        name, _, value = part.partition("=")
        if unquote_plus(name) in {"token", "_xsrf"} or holds(value, secrets) or holds(unquote_plus(value), secrets):
            continue
        kept.append(part)
    return "&".join(kept)


def request_headers(headers: Iterable[Header], upstream: Upstream, secrets: Collection[str]) -> list[Header]:
    """The headers that go to the upstream; configured ones replace the caller's."""
    given = list(headers)
    named = _named_by_connection(given)
    configured = {name.lower() for name in upstream.headers}
    kept: list[Header] = []
    for name, value in given:
        lower = name.lower()
        if lower in _HOP_BY_HOP or lower in named or lower in _NOT_FORWARDED or lower in configured:
            continue
        if lower.startswith(_NOT_FORWARDED_FAMILIES) or holds(value, secrets):
            continue
        kept.append((name, value))
    return [("Host", upstream.authority), *kept, *upstream.headers.items()]


def upgrade_headers(headers: Iterable[Header], secrets: Collection[str]) -> list[Header]:
    """Those that ask for another protocol (WebSocket), which `request_headers` leaves out."""
    wanted = [(n, v) for n, v in headers if n.lower() == "upgrade" or n.lower().startswith("sec-websocket-")]
    return [("Connection", "Upgrade"), *((n, v) for n, v in wanted if not holds(v, secrets))]


def response_headers(headers: Iterable[Header], upstream: Upstream, here: str, asked: str) -> list[Header]:
    """The headers that go back. `here`: the proxy's path of this upstream; `asked`: the target that answered."""
    given = list(headers)
    named = _named_by_connection(given)
    kept: list[Header] = []
    for name, value in given:
        lower = name.lower()
        if lower == "location" and (inside := local_location(value, upstream, here, asked)) is not None:
            kept.append((name, inside))
        if lower in _HOP_BY_HOP or lower in named or lower in _NOT_RETURNED or lower.startswith(_NOT_RETURNED_FAMILIES):
            continue
        if lower == "www-authenticate" and _ASKS_THE_USER.match(value):
            continue
        kept.append((name, value))
    return [*kept, *ALWAYS_RETURNED]


def local_location(location: str, upstream: Upstream, here: str, asked: str) -> str | None:
    """A redirect within the upstream's prefix as a path of the proxy; None where it leads elsewhere."""
    try:
        parts = urlsplit(urljoin(f"{upstream.origin}{asked}", location.strip()))
        is_same = (parts.scheme, parts.hostname, parts.port or _default(parts.scheme)) == (
            upstream.scheme,
            upstream.host.lower(),
            upstream.port,
        )
    except ValueError:
        return None
    path = parts.path or "/"
    rest = path.removeprefix(upstream.prefix)
    is_inside = path.startswith(upstream.prefix) and rest[:1] in {"", "/"} and not _leads_up(_unquoted(path))
    if not is_same or "@" in parts.netloc or not is_inside:
        return None
    query = f"?{parts.query}" if parts.query else ""
    fragment = f"#{parts.fragment}" if parts.fragment else ""
    return _escaped(f"{here}{rest}{query}{fragment}")


def _named_by_connection(headers: Iterable[Header]) -> set[str]:
    """Headers that `Connection` names: they are for this hop only."""
    values = ",".join(value for name, value in headers if name.lower() == "connection")
    return {name.strip().lower() for name in values.split(",") if name.strip()}


def _unquoted(path: str) -> str:
    """Without escapes, however often it was escaped: an upstream may undo more than one."""
    for _ in range(5):
        plain = unquote(path, errors="replace")
        if plain == path:
            break
        path = plain
    return path


def _leads_up(plain: str) -> bool:
    return any(segment.partition(";")[0].strip(" ") == ".." for segment in re.split(r"[/\\]", plain))


def _escaped(text: str) -> str:
    """What may not stand in a request line, as escapes of its bytes (Tornado hands them over as latin-1)."""
    return _OPAQUE.sub(lambda found: quote(found[0].encode("latin-1", "replace")), text)


def _default(scheme: str) -> int:
    return 443 if scheme == "https" else 80
