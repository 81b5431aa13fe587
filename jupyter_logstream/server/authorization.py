"""Authorization of a shared server's visitors, on top of the configured Authorizer. Server; no HTTP.

JupyterHub's Authorizer allows every action to everybody who can reach the server, so the difference between the owner
and the users with whom a server is shared is made here. Both the Authorizer and this rule must allow an action.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jupyter_core.utils import ensure_async
from jupyter_server.auth import User

if TYPE_CHECKING:
    from jupyter_server.auth import Authorizer

ACTIONS = ("read", "write", "execute")


@dataclass(frozen=True, slots=True)
class VisitorRule:
    """What users other than the owner are allowed to do. `owner` "": unknown, and all users are treated alike."""

    owner: str = ""
    actions: frozenset[str] = frozenset({"read"})

    def allows(self, user: User, action: str) -> bool:
        """Whether the rule allows the action to this user."""
        return not self.owner or action in self.actions or (user.username == self.owner and _is_person(user))


class VisitorAuthorizer:
    """An Authorizer that also applies a rule for visitors."""

    def __init__(self, configured: Authorizer, rule: VisitorRule) -> None:
        self._configured, self._rule = configured, rule

    async def is_authorized(self, handler: Any, user: User, action: str, resource: str) -> bool:
        """Whether both the configured Authorizer and the rule allow the action."""
        is_allowed = self._rule.allows(user, action)
        return is_allowed and bool(await ensure_async(self._configured.is_authorized(handler, user, action, resource)))


@dataclass
class KernelUser(User):
    """The kernels and workloads of the server's owner. `hub_user` is what JupyterHub's Authorizer reads of a user."""

    hub_user: dict[str, Any] = field(default_factory=dict)


def kernel_user(environ: Mapping[str, str]) -> KernelUser:
    """The user of requests with the kernels' secret; under JupyterHub it has the access scopes of this server."""
    owner = environ.get("JUPYTERHUB_USER", "")
    scopes = [*_scopes(environ, "JUPYTERHUB_OAUTH_ACCESS_SCOPES"), *_scopes(environ, "JUPYTERHUB_OAUTH_SCOPES")]
    return KernelUser(username="kernel", hub_user={"kind": "user", "name": owner, "scopes": scopes})


def _scopes(environ: Mapping[str, str], name: str) -> list[str]:
    try:
        value = json.loads(environ.get(name, "[]"))
    except ValueError:
        return []
    return [scope for scope in value if isinstance(scope, str)] if isinstance(value, list) else []


def _is_person(user: User) -> bool:
    """Whether the user is no service of a hub: a service can have the same name as a user."""
    hub_user = getattr(user, "hub_user", None)
    return not isinstance(hub_user, Mapping) or hub_user.get("kind", "user") == "user"
