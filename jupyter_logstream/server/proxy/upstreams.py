"""Upstreams of the proxy, by name: read from the server's configuration and validated at start. Server; no requests.

Only the configuration decides where a call goes, never the caller.
"""

from __future__ import annotations

import math
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from ..request_log.prices import PriceError, Table, check_table
from ..request_log.redaction import is_secret_name

NAME = r"[A-Za-z0-9_-]{1,64}"
CONNECT_TIMEOUT_S = 10.0

_OPTIONS = ("url", "headers", "connect_timeout", "timeout", "verify", "cert", "kernel", "provider", "prices")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # a header's name (RFC 9110, 5.6.2)
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_RESERVED = frozenset({"host", "connection", "content-length", "transfer-encoding", "upgrade"})


class UpstreamError(ValueError):
    """The configuration of an upstream is invalid.

    The message names the upstream and the option, and never contains a value of `headers`.
    """


@dataclass(frozen=True, slots=True)
class Upstream:
    """A service: its address, the headers that it receives, its timeouts.

    `prefix` starts every path there, without a trailing slash. `connect_timeout`: seconds for name resolution,
    connection and TLS. `timeout`: seconds of silence; None: no limit. `kernel`: whether kernels can use it with their
    secret. `provider`, `prices`: for the request log.
    """

    name: str
    scheme: str
    host: str
    port: int
    prefix: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    connect_timeout: float = CONNECT_TIMEOUT_S
    timeout: float | None = None
    tls: ssl.SSLContext | None = None
    kernel: bool = True
    provider: str | None = None
    prices: Table = field(default_factory=dict)

    @property
    def authority(self) -> str:
        """`host:port`, in the form of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _port(self.scheme) else f"{host}:{self.port}"

    @property
    def secrets(self) -> list[str]:
        """The values of headers whose names mark them as secret, with and without their scheme (`Bearer`)."""
        values = [value for name, value in self.headers.items() if is_secret_name(name)]
        return [text for value in values for text in (value, value.partition(" ")[2].strip()) if len(text) >= 8]

    @property
    def origin(self) -> str:
        """`scheme://host:port`."""
        return f"{self.scheme}://{self.authority}"


def check_upstreams(given: Any) -> tuple[dict[str, Upstream], list[str]]:
    """Parse `{"name": "url" or {"url", ...}}`: the valid upstreams, and the problems of the others."""
    found: dict[str, Upstream] = {}
    problems: list[str] = []
    if not isinstance(given, Mapping):
        return {}, ['c.LogStream.upstreams must be {"name": {"url": "https://..."}, ...}']
    for name, value in given.items():
        try:
            found[name] = check_upstream(name, value)
        except UpstreamError as error:
            problems.append(str(error))
    return found, problems


def check_upstream(name: Any, given: Any) -> Upstream:
    """Parse one upstream. Raises UpstreamError."""
    return _Checks(name).upstream(given)


class _Checks:
    """Validates one upstream; errors name it."""

    def __init__(self, name: Any) -> None:
        self._where = f"c.LogStream.upstreams[{name!r}]"
        if not isinstance(name, str) or not re.fullmatch(NAME, name):
            raise self._error("an upstream's name must have 1 to 64 of A-Z a-z 0-9 _ -")
        self._name = name

    def _error(self, message: str) -> UpstreamError:
        return UpstreamError(f"{self._where}: {message}")

    def upstream(self, given: Any) -> Upstream:
        options = {"url": given} if isinstance(given, str) else given
        if not isinstance(options, Mapping) or "url" not in options:
            raise self._error('must be a URL or {"url": ..., ...}')
        for option in options:
            if option not in _OPTIONS:
                raise self._error(f"{option!r} is not an option; the options are {', '.join(_OPTIONS)}")
        scheme, host, port, prefix = self._parse_url(options["url"])
        return Upstream(
            name=self._name,
            scheme=scheme,
            host=host,
            port=port,
            prefix=prefix,
            headers=self._headers(options.get("headers", {})),
            connect_timeout=self._seconds(options, "connect_timeout") or CONNECT_TIMEOUT_S,
            timeout=self._seconds(options, "timeout"),
            tls=self._tls(options) if scheme == "https" else None,
            kernel=self._flag(options, "kernel"),
            provider=self._text(options, "provider"),
            prices=self._prices(options.get("prices", {})),
        )

    def _parse_url(self, url: Any) -> tuple[str, str, int, str]:
        if not isinstance(url, str) or not re.fullmatch(r"[\x21-\x7e]+", url):
            raise self._error('"url" must be a URL such as "https://host/prefix"')
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise self._error(f'"url": {error}') from None
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise self._error('"url" must begin with http:// or https:// and name a host')
        if "@" in parts.netloc:
            raise self._error('"url" must not contain user and password; put them into "headers"')
        if parts.query or parts.fragment or "?" in url or "#" in url:
            raise self._error('"url" must have no query and no fragment')
        return parts.scheme, parts.hostname, port or _port(parts.scheme), parts.path.rstrip("/")

    def _headers(self, given: Any) -> dict[str, str]:
        if not isinstance(given, Mapping):
            raise self._error('"headers" must be {"name": "value"}')
        found: dict[str, str] = {}
        for name, value in given.items():
            if not isinstance(name, str) or not _TOKEN.fullmatch(name):
                raise self._error(f'"headers": {name!r} is not the name of a header')
            if name.lower() in _RESERVED:
                raise self._error(f'"headers": {name} is set by the proxy and cannot be configured')
            if not isinstance(value, str) or not _VALUE.fullmatch(value):
                raise self._error(f'"headers": the value of {name} must be text on one line')
            found[name] = value.strip()
        return found

    def _seconds(self, options: Mapping[str, Any], option: str) -> float | None:
        value = options.get(option)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
            raise self._error(f'"{option}" must be a number of seconds above 0, or None')
        return float(value)

    def _flag(self, options: Mapping[str, Any], option: str) -> bool:
        value = options.get(option, True)
        if not isinstance(value, bool):
            raise self._error(f'"{option}" must be True or False')
        return value

    def _text(self, options: Mapping[str, Any], option: str) -> str | None:
        value = options.get(option)
        if value is not None and (not isinstance(value, str) or not value):
            raise self._error(f'"{option}" must be a name')
        return value

    def _prices(self, given: Any) -> Table:
        try:
            return check_table(given)
        except PriceError as error:
            raise self._error(f'"prices": {error}') from None

    def _tls(self, options: Mapping[str, Any]) -> ssl.SSLContext:
        """TLS settings: `verify` the upstream (True, False, or a file of CAs), and the client certificate `cert`."""
        verify, cert = options.get("verify", True), options.get("cert")
        if not isinstance(verify, bool | str):
            raise self._error('"verify" must be True, False, or the path of a file of CA certificates')
        pair = (cert,) if isinstance(cert, str) else cert
        if pair is not None and (
            not isinstance(pair, list | tuple) or len(pair) not in {1, 2} or not all(isinstance(p, str) for p in pair)
        ):
            raise self._error('"cert" must be the path of a PEM file, or (certificate, key)')
        try:
            context = ssl.create_default_context(cafile=verify if isinstance(verify, str) else None)
            if pair is not None:
                context.load_cert_chain(*pair)
        except OSError as error:  # ssl.SSLError is one
            raise self._error(f'"verify" or "cert" cannot be read: {error.strerror or error}') from None
        if verify is False:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        context.set_alpn_protocols(["http/1.1"])
        return context


def _port(scheme: str) -> int:
    return 443 if scheme == "https" else 80
