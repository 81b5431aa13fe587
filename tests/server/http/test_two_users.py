"""Two people on one server, one of whom may read: through Jupyter's own login and a real Authorizer, on every route."""

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
    """Knows three people by their tokens."""

    async def get_user(self, handler: Any) -> User | None:  # type: ignore[override]
        name = PEOPLE.get(handler.request.headers.get("Authorization", ""))
        handler._token_authenticated = name is not None
        return User(username=name) if name else None

    @property
    def auth_enabled(self) -> bool:
        return True


class Rules(Authorizer):
    """Who may what."""

    def is_authorized(self, handler: Any, user: User, action: str, resource: str) -> bool:  # noqa: ARG002
        return action in MAY[user.username] and not (resource == "logstream:service" and user.username == "ben")


@pytest.fixture
def people(serve: Any, jp_asyncio_loop: asyncio.AbstractEventLoop) -> dict[str, Site]:
    extensions = {"jpserver_extensions": {"jupyter_logstream": True}}
    config = {"ServerApp": {"identity_provider_class": Desk, "authorizer_class": Rules, **extensions}}
    site = jp_asyncio_loop.run_until_complete(serve(config, request_listeners=0))
    return {name: site.with_headers(Authorization=said) for said, name in PEOPLE.items()} | {
        "nobody": site.with_headers()
    }


async def test_each_gets_what_he_may_on_every_route_and_no_byte_more(people: dict[str, Site]) -> None:
    for (path, method), action in ACTIONS.items():
        ended = (await people["ann"].get("v1/workloads?state=succeeded"))["workloads"]
        said = {"name": "a-name-for-readers", "tags": {"t": "a-tag"}}
        workload_id = ended[0]["id"] if ended else await people["ann"].run(f"echo {CANARY}", **said)
        for name, site in reversed(people.items()):  # first those who may not
            answer = await site.request(*request(path, method, workload_id), JSON)
            if action in MAY.get(name, ()):
                ours = not path.startswith(("proxy/", "v1/requests"))
                fine = {200, 201, 202, 204, 409} if ours else {200, 201, 204, 404, 429}
                assert answer.status in fine, (path, method, name, answer.status)
                continue
            assert answer.status == 403, (path, method, name, answer.status)
            assert is_error(answer)
            for secret in CANARY, "a-name-for-readers", "a-tag", workload_id:
                assert secret.encode() not in answer.body
                assert secret not in str(answer.headers)


async def test_all_at_once_each_still_gets_his_own_answer(people: dict[str, Site]) -> None:
    workload_id = await people["ann"].run(f"echo {CANARY}")
    asked = [
        (name, site.request(*request(path, "GET", workload_id)))
        for _ in range(5)
        for (path, method), action in ACTIONS.items()
        if (method, action) == ("GET", "read") and not path.startswith("v1/requests/")
        for name, site in people.items()
    ]
    answers = await asyncio.gather(*(one for _, one in asked))
    for (name, _), answer in zip(asked, answers, strict=True):
        assert answer.status == (200 if "read" in MAY.get(name, ()) else 403), name
        assert (CANARY.encode() in answer.body) <= ("read" in MAY.get(name, ()))


async def test_the_servers_own_log_has_a_right_of_its_own(people: dict[str, Site]) -> None:
    for name, status in ("ann", 200), ("ben", 403), ("eve", 403), ("nobody", 403):
        for path in "v1/logs/stream?scope=service", "v1/events?stream=service":
            stream = await people[name].stream(path)
            assert stream.status == status, (name, path)
            stream.close()
