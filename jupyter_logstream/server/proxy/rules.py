"""Allow and deny rules of the proxy for paths, queries and headers. Server; pure functions, no I/O.

The caller's credentials for Jupyter never go out, an upstream's response never acts on the notebook's origin, and no
path leaves the upstream's prefix.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from urllib.parse import quote, unquote, unquote_plus, urljoin, urlsplit

from ...wire.decoding import readable_encodings
from .upstreams import Upstream

Header = tuple[str, str]

_HOP_BY_HOP = frozenset(
    {
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection"),
        *("te", "trailer", "trailers", "transfer-encoding", "upgrade"),
    }
)

# Request headers of Jupyter or the browser (login, site, page), and those that each connection sets itself.
_NOT_FORWARDED = frozenset(
    {
        *("cookie", "cookie2", "x-xsrftoken", "x-csrftoken", "origin", "referer", "host", "expect", "content-length"),
        *("forwarded", "x-real-ip", "x-scheme", "via", "service-worker"),
    }
)
_NOT_FORWARDED_FAMILIES = ("x-forwarded-", "x-logstream-", "sec-", "access-control-request-")

# Response headers that act on the whole origin, which is the notebook's, or that each connection sets itself.
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
_LOGIN_DIALOG = re.compile(  # a browser would open a dialog, and store what the user enters
    r"\s*(basic|digest|negotiate|ntlm)\b", re.IGNORECASE
)

ALWAYS_RETURNED: tuple[Header, ...] = (
    ("Content-Security-Policy", "default-src 'none'; sandbox"),
    ("X-Content-Type-Options", "nosniff"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
"""Added to every response: shown as a page it is sandboxed without an origin, and it is refused as a script."""

RUNS_CODE = frozenset(
    {"script", "worker", "sharedworker", "serviceworker", "audioworklet", "paintworklet", "style", "xslt", "manifest"}
    | {"embed", "object", "frame", "iframe"}
)
"""Values of Sec-Fetch-Dest whose response would act on the page: refused."""

_MIN_SUBSTRING_CHARS = 8  # a shorter secret is compared as a whole only
_OPAQUE = re.compile(r"[^\x21-\x7e]")


class BadPath(ValueError):
    """The path leaves the upstream's prefix, or contains a secret."""


def target(upstream: Upstream, path: str, query: str, secrets: Collection[str]) -> str:
    """The request target at the upstream. Raises BadPath.

    `path` (empty, or from its slash on) and `query` are still escaped.
    """
    plain = _unquoted(path)
    if any(ord(char) < 0x20 or ord(char) == 0x7F for char in plain):
        raise BadPath("the path contains a control character")
    if _leads_up(plain):
        raise BadPath("the path must not contain .. segments")
    if any(contains_secret(segment, secrets) for segment in plain.split("/")):
        raise BadPath("the path contains a secret of this server")
    whole = f"{upstream.prefix}{path}" or "/"
    allowed = allowed_query(query, secrets)
    return _escaped(f"{whole}?{allowed}" if allowed else whole)


def contains_secret(value: str, secrets: Collection[str]) -> bool:
    """Whether a value is or contains a secret; a short one, which could be a word, only counts as the whole value."""
    whole = {value, value.partition(" ")[2].strip()}
    return any(secret in whole or (len(secret) >= _MIN_SUBSTRING_CHARS and secret in value) for secret in secrets)


def allowed_query(query: str, secrets: Collection[str]) -> str:
    """The query without Jupyter's own parameters and without those that contain a secret; the rest unchanged."""
    allowed = []
    for part in query.split("&"):
        name, _, value = part.partition("=")
        if (
            unquote_plus(name) in {"token", "_xsrf"}
            or contains_secret(value, secrets)
            or contains_secret(unquote_plus(value), secrets)
        ):
            continue
        allowed.append(part)
    return "&".join(allowed)


def request_headers(headers: Iterable[Header], upstream: Upstream, secrets: Collection[str]) -> list[Header]:
    """The headers for the upstream; configured ones replace the caller's."""
    given = list(headers)
    named = _named_by_connection(given)
    configured = {name.lower() for name in upstream.headers}
    allowed: list[Header] = []
    for name, value in given:
        lower = name.lower()
        if lower in _HOP_BY_HOP or lower in named or lower in _NOT_FORWARDED or lower in configured:
            continue
        if lower.startswith(_NOT_FORWARDED_FAMILIES) or contains_secret(value, secrets):
            continue
        allowed.append((name, value))
    return [("Host", upstream.authority), *allowed, *upstream.headers.items()]


def upgrade_headers(headers: Iterable[Header], secrets: Collection[str]) -> list[Header]:
    """The headers of a WebSocket handshake (RFC 6455, 4.1), which `request_headers` leaves out."""
    wanted = [(n, v) for n, v in headers if n.lower() == "upgrade" or n.lower().startswith("sec-websocket-")]
    return [("Connection", "Upgrade"), *((n, v) for n, v in wanted if not contains_secret(v, secrets))]


def response_headers(headers: Iterable[Header], upstream: Upstream, here: str, requested: str) -> list[Header]:
    """The headers for the caller. `here`: the proxy's path of the upstream; `requested`: the target there."""
    given = list(headers)
    named = _named_by_connection(given)
    allowed: list[Header] = []
    for name, value in given:
        lower = name.lower()
        if lower == "location" and (inside := local_location(value, upstream, here, requested)) is not None:
            allowed.append((name, inside))
        if lower in _HOP_BY_HOP or lower in named or lower in _NOT_RETURNED or lower.startswith(_NOT_RETURNED_FAMILIES):
            continue
        if lower == "www-authenticate" and _LOGIN_DIALOG.match(value):
            continue
        allowed.append((name, value))
    return [*allowed, *ALWAYS_RETURNED]


def local_location(location: str, upstream: Upstream, here: str, requested: str) -> str | None:
    """A redirect within the upstream's prefix as a path of the proxy; None if it leads elsewhere."""
    try:
        parts = urlsplit(urljoin(f"{upstream.origin}{requested}", location.strip()))
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


def accept_readable(headers: Iterable[Header]) -> list[Header]:
    """The headers with Accept-Encoding reduced to encodings in which the request log can read an LLM's usage."""
    readable = readable_encodings()
    found: list[Header] = []
    for name, value in headers:
        if name.lower() == "accept-encoding":
            codings = [coding.strip() for coding in value.split(",")]
            kept = [coding for coding in codings if coding.partition(";")[0].strip().lower() in readable]
            found.append((name, ", ".join(kept) or "identity"))
        else:
            found.append((name, value))
    return found


def _named_by_connection(headers: Iterable[Header]) -> set[str]:
    """Headers named by `Connection`: for this hop only (RFC 9110, 7.6.1)."""
    values = ",".join(value for name, value in headers if name.lower() == "connection")
    return {name.strip().lower() for name in values.split(",") if name.strip()}


def _unquoted(path: str) -> str:
    """The path without escapes, up to five levels: an upstream can decode more than once."""
    for _ in range(5):
        plain = unquote(path, errors="replace")
        if plain == path:
            break
        path = plain
    return path


def _leads_up(plain: str) -> bool:
    return any(segment.partition(";")[0].strip(" ") == ".." for segment in re.split(r"[/\\]", plain))


def _escaped(text: str) -> str:
    """Escape the bytes that a request line cannot contain (Tornado decodes them as latin-1)."""
    return _OPAQUE.sub(lambda found: quote(found[0].encode("latin-1", "replace")), text)


def _default(scheme: str) -> int:
    return 443 if scheme == "https" else 80
