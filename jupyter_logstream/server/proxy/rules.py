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
        *("te", "trailer", "trailers", "transfer-encoding", "upgrade", "http2-settings"),
    }
)

# Request headers of Jupyter or the browser (login, site, page), those that each connection sets itself, and those that
# make an upstream act on another address, method or client than the request log shows.
_NOT_FORWARDED = frozenset(
    {
        *("cookie", "cookie2", "x-xsrftoken", "x-csrftoken", "origin", "referer", "host", "expect", "content-length"),
        *("forwarded", "x-forwarded", "x-real-ip", "x-scheme", "via", "service-worker", "proxy", "x-host"),
        *("x-http-method", "x-http-method-override", "x-method-override", "x-rewrite-url", "x-middleware-subrequest"),
        *("client-ip", "x-client-ip", "true-client-ip", "x-cluster-client-ip"),
    }
)
_NOT_FORWARDED_FAMILIES = ("x-forwarded-", "x-logstream-", "x-original-", "sec-", "access-control-request-")

# Response headers that act on the whole origin, which is the notebook's, or on a server in front of it, or that each
# connection sets itself.
_NOT_RETURNED = frozenset(
    {
        *("set-cookie", "set-cookie2", "clear-site-data", "strict-transport-security", "alt-svc", "refresh", "nel"),
        *("report-to", "reporting-endpoints", "critical-ch", "x-frame-options", "x-content-type-options"),
        *("feature-policy", "p3p", "expect-ct", "sourcemap", "x-sourcemap", "speculation-rules", "set-login"),
        *("idp-signin-status", "timing-allow-origin", "observe-browsing-topics", "x-dns-prefetch-control"),
        *("activate-storage-access", "content-location", "location", "use-as-dictionary", "x-sendfile"),
        *("x-lighttpd-send-file", "x-litespeed-location", "x-permitted-cross-domain-policies", "authorization"),
        *("supports-loading-mode", "require-document-policy", "no-vary-search", "delegated-ch"),
    }
)
_NOT_RETURNED_FAMILIES = (
    *(
        "access-control-",
        "attribution-reporting-",
        "x-accel-",
        "x-reproxy-",
        "content-security-policy",
        "cross-origin-",
    ),
    *("permissions-policy", "document-policy", "document-isolation-policy", "integrity-policy", "public-key-pins"),
    *("accept-ch", "origin-", "service-worker-", "shared-storage-", "ad-auction-", "sec-", "secure-session-"),
    *("surrogate-", "edge-control"),
)
# A browser would open a dialog for these schemes, wherever in the list they are, and store what the user enters.
_LOGIN_DIALOG = re.compile(r"(?<![\w-])(basic|digest|negotiate|ntlm)(?![\w-])", re.IGNORECASE)
_CACHE_DIRECTIVE = re.compile(r"""([\w-]+)(?:\s*=\s*("[^"]*"|[^\s,"]*))?""")
_CACHING = frozenset({"cache-control", "vary"})
_FOR_SHARED_CACHES = frozenset({"public", "private", "s-maxage", "proxy-revalidate"})

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

_TO_HYPHEN = {code: "-" for code in range(0x80) if not chr(code).isalnum()}
_MIN_SUBSTRING_CHARS = 8  # a shorter secret is compared as a whole only
_OPAQUE = re.compile(r"[^\x21-\x7e]")


class BadPath(ValueError):
    """The path leaves the upstream's prefix, or contains a secret."""


def target(upstream: Upstream, path: str, query: str, secrets: Collection[str]) -> str:
    """The request target at the upstream. Raises BadPath.

    `path` (empty, or from its slash on) and `query` are still escaped.
    """
    if "#" in path or "#" in query:
        raise BadPath("the path and the query must contain # only as %23")
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
    whole = {value.strip(), credential_of(value)}
    return any(secret in whole or (len(secret) >= _MIN_SUBSTRING_CHARS and secret in value) for secret in secrets)


def credential_of(value: str) -> str:
    """The credential of an Authorization header: what follows its scheme and any white space (as Jupyter splits it)."""
    return value.split(None, 1)[-1].strip() if value.strip() else ""


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
    configured = {_as_upstreams_read(name) for name in upstream.headers}
    allowed: list[Header] = []
    for name, value in given:
        plain = _as_upstreams_read(name)
        if plain in _HOP_BY_HOP or name.lower() in named or plain in _NOT_FORWARDED or plain in configured:
            continue
        if plain.startswith(_NOT_FORWARDED_FAMILIES) or contains_secret(value, secrets):
            continue
        allowed.append((name, value))
    return [("Host", upstream.authority), *allowed, *upstream.headers.items()]


def upgrade_headers(headers: Iterable[Header], secrets: Collection[str]) -> list[Header]:
    """The headers of a WebSocket handshake (RFC 6455, 4.1), which `request_headers` leaves out."""
    wanted = [(name, value) for name, value in headers if name.lower().startswith("sec-websocket-")]
    fixed = [("Connection", "Upgrade"), ("Upgrade", "websocket")]
    return [*fixed, *((name, value) for name, value in wanted if not contains_secret(value, secrets))]


def response_headers(headers: Iterable[Header], upstream: Upstream, here: str, requested: str) -> list[Header]:
    """The headers for the caller. `here`: the proxy's path of the upstream; `requested`: the target there.

    Every response is behind a login, so shared caches may not store it.
    """
    given = list(headers)
    named = _named_by_connection(given)
    allowed: list[Header] = []
    for name, value in given:
        lower = name.lower()
        if lower == "location" and (inside := local_location(value, upstream, here, requested)) is not None:
            allowed.append((name, inside))
        elif not (lower in named or lower in _CACHING or _acts_here(lower, value)):
            allowed.append((name, value))
    return [*allowed, *_private_caching(given), *ALWAYS_RETURNED]


def _acts_here(lower: str, value: str) -> bool:
    """Whether a response header acts on the notebook's origin, on servers in front of it, or on this connection."""
    if lower == "www-authenticate":
        return _LOGIN_DIALOG.search(value) is not None
    is_listed = lower in _HOP_BY_HOP or lower in _NOT_RETURNED or lower.startswith(_NOT_RETURNED_FAMILIES)
    return is_listed or lower.endswith("cdn-cache-control")


def _private_caching(headers: Iterable[Header]) -> list[Header]:
    """Cache-Control without what permits shared caches (RFC 9111, 5.2.2), and Vary with both ways of login."""
    given = list(headers)
    control = ", ".join(value for name, value in given if name.lower() == "cache-control")
    directives = [found for found in _CACHE_DIRECTIVE.finditer(control) if found[1].lower() not in _FOR_SHARED_CACHES]
    is_stored = all(found[1].lower() != "no-store" for found in directives)
    kept = [found[0] for found in directives] + (["private"] if is_stored else [])
    vary = [part.strip() for name, value in given if name.lower() == "vary" for part in value.split(",")]
    known = {part.lower() for part in vary}
    vary += [] if "*" in known else [name for name in ("Cookie", "Authorization") if name.lower() not in known]
    return [("Cache-Control", ", ".join(kept)), ("Vary", ", ".join(filter(None, vary)))]


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


def _as_upstreams_read(name: str) -> str:
    """A header's name for comparisons: CGI and WSGI read `X_User` and `X-User` as the same variable."""
    return name.lower().translate(_TO_HYPHEN)


def _unquoted(path: str) -> str:
    """The path without escapes, up to five levels: an upstream can decode more than once."""
    for _ in range(5):
        plain = unquote(path, errors="replace")
        if plain == path:
            break
        path = plain
    return path


def _leads_up(plain: str) -> bool:
    """Whether a segment means the parent, also for an upstream that ends paths at ; ? or # after decoding them."""
    return any(re.split("[;?#]", segment)[0].strip(" ") == ".." for segment in re.split(r"[/\\]", plain))


def _escaped(text: str) -> str:
    """Escape the bytes that a request line cannot contain (Tornado decodes them as latin-1)."""
    return _OPAQUE.sub(lambda found: quote(found[0].encode("latin-1", "replace")), text)


def _default(scheme: str) -> int:
    return 443 if scheme == "https" else 80
