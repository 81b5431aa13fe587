"""IdentityProvider and Authorizer that behave as JupyterHub's: one token per user, shared servers. Test support.

As in jupyterhub/singleuser/extension.py of JupyterHub 5: tokens in URLs are ignored, the Authorizer looks at the access
scopes in `user.hub_user` and ignores action and resource.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from jupyter_server.auth import Authorizer, IdentityProvider, User

if TYPE_CHECKING:
    import pytest

SCOPE = "access:servers!server=ann/"
TOKENS = {
    "anns-hub-token-0123456789": ("ann", "user", [SCOPE]),
    "bens-hub-token-0123456789": ("ben", "user", [SCOPE]),
    "kernels-hub-token-0123456": ("kernel", "user", [SCOPE]),
    "services-hub-token-012345": ("ann", "service", [SCOPE]),
    "eves-hub-token-0123456789": ("eve", "user", []),
}
"""Token -> name, kind and scopes. The server belongs to ann and is shared with ben and with a user named kernel."""


class HubUser(User):
    """A user with the Hub's model of it."""

    def __init__(self, hub_user: dict[str, Any]) -> None:
        self.hub_user = hub_user
        super().__init__(username=hub_user["name"])


class HubIdentity(IdentityProvider):
    """Identifies users by their own tokens, in the Authorization header only."""

    token = "the-api-token-of-the-server-itself"
    need_token = True

    async def get_user(self, handler: Any) -> User | None:  # type: ignore[override]
        found = re.match(r"(?:token|bearer)\s+(.+)", handler.request.headers.get("Authorization", ""), re.IGNORECASE)
        name, kind, scopes = TOKENS.get(found[1].strip() if found else "", ("", "", []))
        if SCOPE not in scopes:
            return None
        handler._token_authenticated = True
        return HubUser({"name": name, "kind": kind, "scopes": scopes})

    @property
    def auth_enabled(self) -> bool:
        return True


class HubAuthorizer(Authorizer):
    """Allows every action to every user with access to the server."""

    def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:  # noqa: ARG002
        return SCOPE in user.hub_user["scopes"]


CONFIG = {
    "ServerApp": {
        "identity_provider_class": HubIdentity,
        "authorizer_class": HubAuthorizer,
        "jpserver_extensions": {"jupyter_logstream": True},
    }
}


def set_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables that JupyterHub sets for the server of ann."""
    monkeypatch.setenv("JUPYTERHUB_USER", "ann")
    monkeypatch.setenv("JUPYTERHUB_SERVER_NAME", "")
    monkeypatch.setenv("JUPYTERHUB_OAUTH_ACCESS_SCOPES", json.dumps([SCOPE]))


def people(site: Any) -> dict[str, Any]:
    """A client for each token, by name; the service's is `service`."""
    found = {}
    for token, (name, kind, _) in TOKENS.items():
        found[name if kind == "user" else "service"] = site.with_headers(Authorization=f"token {token}")
    return found
