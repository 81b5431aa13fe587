"""Several users of one server with different permissions: Jupyter's login and a real Authorizer, on every route."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from jupyter_server.auth import Authorizer, IdentityProvider, User
from support.route_table import ACTIONS, JSON, is_error, request

if TYPE_CHECKING:
    from support.web import Site

PEOPLE = {"token anns-own-token": "ann", "token bens-own-token": "ben", "token eves-own-token": "eve"}
MAY = {"ann": {"read", "write", "execute"}, "ben": {"read"}, "eve": set()}
CANARY = "a line that only readers may see"


class Desk(IdentityProvider):
    """Identifies three users by their tokens."""

    async def get_user(self, handler: Any) -> User | None:  # type: ignore[override]
        name = PEOPLE.get(handler.request.headers.get("Authorization", ""))
        handler._token_authenticated = name is not None
        return User(username=name) if name else None

    @property
    def auth_enabled(self) -> bool:
        return True


class Rules(Authorizer):
    """The permissions of the users."""

    def is_authorized(self, handler: Any, user: User, action: str, resource: str) -> bool:  # noqa: ARG002
        return action in MAY[user.username] and not (resource == "logstream:service" and user.username == "ben")


@pytest.fixture
def people(serve: Any, jp_asyncio_loop: asyncio.AbstractEventLoop) -> dict[str, Site]:
    extensions = {"jpserver_extensions": {"jupyter_logstream": True}}
    config = {"ServerApp": {"identity_provider_class": Desk, "authorizer_class": Rules, **extensions}}
    site = jp_asyncio_loop.run_until_complete(serve(config, request_listeners=0))
    return {name: site.with_headers(Authorization=header) for header, name in PEOPLE.items()} | {
        "anonymous": site.with_headers()
    }


async def test_each_user_gets_only_what_the_authorizer_allows_on_every_route(people: dict[str, Site]) -> None:
    for (path, method), action in ACTIONS.items():
        ended = (await people["ann"].get("v1/workloads?state=succeeded"))["workloads"]
        spec = {"name": "a-name-for-readers", "tags": {"t": "a-tag"}}
        workload_id = ended[0]["id"] if ended else await people["ann"].run(f"echo {CANARY}", **spec)
        for name, site in reversed(people.items()):  # first those without permission
            answer = await site.request(*request(path, method, workload_id), JSON)
            if action in MAY.get(name, ()):
                ours = not path.startswith(("proxy/", "v1/requests"))
                fine = {200, 201, 202, 204, 409} if ours else {200, 201, 204, 404, 429}
                fine = {404} if path.endswith("/result") else fine  # only functions have results
                assert answer.status in fine, (path, method, name, answer.status)
                continue
            assert answer.status == 403, (path, method, name, answer.status)
            assert is_error(answer)
            for secret in CANARY, "a-name-for-readers", "a-tag", workload_id:
                assert secret.encode() not in answer.body
                assert secret not in str(answer.headers)


async def test_concurrent_users_each_get_their_own_answer(people: dict[str, Site]) -> None:
    workload_id = await people["ann"].run(f"echo {CANARY}")
    requests = [
        (name, site.request(*request(path, "GET", workload_id)))
        for _ in range(5)
        for (path, method), action in ACTIONS.items()
        if (method, action) == ("GET", "read") and not path.startswith("v1/requests/") and not path.endswith("/result")
        for name, site in people.items()
    ]
    answers = await asyncio.gather(*(one for _, one in requests))
    for (name, _), answer in zip(requests, answers, strict=True):
        assert answer.status == (200 if "read" in MAY.get(name, ()) else 403), name
        assert (CANARY.encode() in answer.body) <= ("read" in MAY.get(name, ()))


async def test_server_log_has_its_own_permission(people: dict[str, Site]) -> None:
    for name, status in ("ann", 200), ("ben", 403), ("eve", 403), ("anonymous", 403):
        for path in "v1/logs/stream?scope=service", "v1/events?stream=service":
            stream = await people[name].stream(path)
            assert stream.status == status, (name, path)
            stream.close()
