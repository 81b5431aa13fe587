"""Authentication of requests: Jupyter's login, or the kernel's secret; and protection from foreign sites. Server."""

from __future__ import annotations

import hmac
import os
import re
from typing import TYPE_CHECKING, Any, cast

from jupyter_server.base.handlers import APIHandler
from tornado.web import HTTPError

from ..authorization import VisitorAuthorizer, kernel_user
from ..services import Services
from .errors import Refused

if TYPE_CHECKING:
    from jupyter_server.auth import Authorizer


class AuthenticatedHandler(APIHandler):
    """A handler whose requests are authenticated; each method names its action by `@authorized`."""

    _is_kernel = False

    @property
    def services(self) -> Services:
        """The services that the extension built."""
        services: Services = self.settings["logstream"]
        return services

    async def prepare(self, **_: Any) -> None:
        """Authenticate: a kernel by its secret, everybody else by Jupyter's login."""
        if not self._has_secret():
            await super().prepare()
            self._check_site()
            if self.request.method == "OPTIONS" and not self.current_user and not self._is_preflight():
                raise HTTPError(403)  # Jupyter answers OPTIONS without a login
            return
        self._is_kernel = True
        if not self.check_host():
            raise HTTPError(403)
        self.current_user = self._jupyter_current_user = kernel_user(os.environ)
        self._token_authenticated = True

    @property
    def authorizer(self) -> Authorizer:
        """The configured Authorizer, and on top of it the rule for visitors; kernels belong to the owner."""
        configured = super().authorizer
        return (
            configured if self._is_kernel else cast("Authorizer", VisitorAuthorizer(configured, self.services.visitors))
        )

    def check_xsrf_cookie(self) -> None:
        """Jupyter's check; a request with the kernel's secret uses no cookie, so it cannot be forged by a page."""
        if not self._has_secret():
            super().check_xsrf_cookie()

    def set_xsrf_cookie(self) -> None:
        """Set the XSRF cookie if a browser lacks it, as Jupyter's own pages do. Pages of Voila don't."""
        if not self._is_kernel and not self.token_authenticated:
            _ = self.xsrf_token  # Tornado sets the cookie when its value is read first

    def credentials(self) -> list[str]:
        """The values in the request that can be the kernel's secret."""
        scheme, _, value = self.request.headers.get("Authorization", "").partition(" ")
        return [value.strip()] if scheme.lower() == "bearer" else []

    def _has_secret(self) -> bool:
        secret = self.services.secret.encode()
        return any(hmac.compare_digest(value.encode(), secret) for value in self.credentials())

    def _is_preflight(self) -> bool:
        """Whether this is a CORS preflight, which carries no login, of an origin that the configuration allows."""
        origin = self.request.headers.get("Origin", "")
        allowed = {self.allow_origin, self.settings.get("headers", {}).get("Access-Control-Allow-Origin", "")} - {""}
        is_allowed = not {"*", origin}.isdisjoint(allowed) or re.fullmatch(self.allow_origin_pat or "(?!)", origin)
        return origin != "" and "Access-Control-Request-Method" in self.request.headers and bool(is_allowed)

    def _check_site(self) -> None:
        """Reject reads by a page of another site that uses our cookie (Jupyter checks this for writes only)."""
        if self.token_authenticated or self.request.method not in {"GET", "HEAD"}:
            return
        headers = self.request.headers
        foreign = headers.get("Sec-Fetch-Site") in {"cross-site", "same-site"} and "Origin" not in headers
        if foreign or ("Referer" in headers and not self.check_referer()):
            raise Refused(403, "foreign_site", "the request comes from a page of another site")
