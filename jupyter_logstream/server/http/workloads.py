"""Workloads over HTTP: start, list, get, cancel, input, delete; and the server's `v1/info`. Server."""

from __future__ import annotations

import re
from typing import Any

from jupyter_server.auth.decorator import authorized
from jupyter_server.utils import url_path_join
from tornado.web import authenticated

from ..._version import __version__
from ...model.ids import ID
from ...model.protocol import PROTOCOL, STATES
from ...model.spec import SpecError, check_spec
from ...model.workload import Workload
from ..params import number, printable
from ..payloads import UnknownPayload
from .base import RESOURCE, LogStreamHandler
from .errors import Refused
from .json_page import fitting

_MAX_GRACE_S = 3600


class InfoHandler(LogStreamHandler):
    """`GET v1/info`."""

    @authenticated
    @authorized("read", resource=RESOURCE)
    def get(self) -> None:
        self.parameters()
        self.set_xsrf_cookie()
        self.answer(
            {
                "version": __version__,
                "protocol": PROTOCOL,
                "backends": self.engine.backends,
                "supports": self.engine.supports,
                "upstreams": list(self.services.upstreams),
                **self.services.open_streams.counts(),
                "max_payload_bytes": self.services.payloads.max_bytes,
                "running": self.engine.running,
                "workloads": len(self.engine),
                "store": {"bytes": self.engine.stored_bytes, "free_bytes": self.store.free_bytes},
            }
        )


class WorkloadsHandler(LogStreamHandler):
    """`GET|POST v1/workloads`."""

    @authenticated
    @authorized("read", resource=RESOURCE)
    def get(self) -> None:
        given = self.parameters("state", "limit", "after")
        states = frozenset(given["state"].split(",")) if "state" in given else STATES
        for state in states - STATES:
            raise Refused(
                400, "invalid_parameter", f"state must be one of {', '.join(sorted(STATES))}, not {printable(state)}"
            )
        after = given.get("after")
        if after is not None and not re.fullmatch(ID, after):
            raise Refused(400, "invalid_parameter", "after must be the id of a workload")
        found, following = self.engine.page(states, number(given, "limit", 100, 1, 1000), after)
        page = fitting(workload.to_json() for workload in found)
        self.answer_page("workloads", page, following if len(page) == len(found) else found[len(page) - 1].id)

    @authenticated
    @authorized("execute", resource=RESOURCE)
    async def post(self) -> None:
        self.parameters()
        body = await self.json_object(any_bytes=True)
        is_dry_run = body.pop("dry_run", None) or False
        if not isinstance(is_dry_run, bool):
            raise SpecError("dry_run", "must be true or false")
        if is_dry_run:
            self.answer({"plan": self._plan(body)})
            return
        if "again" in body:
            workload, is_new = await self.engine.again(self._again(body)), True
        else:
            workload, is_new = await self._submit(body)
        self.set_header("Location", url_path_join(self.base_url, "logstream/v1/workloads", workload.id))
        self.answer(workload.to_json(), 201 if is_new else 200)

    def _plan(self, body: dict[str, Any]) -> str:
        """What a workload with this specification would submit; its call need not be uploaded."""
        body.pop("payload", None)
        return self.engine.plan(check_spec(body))

    async def _submit(self, body: dict[str, Any]) -> tuple[Workload, bool]:
        """Start a workload; `payload` names the upload that holds its call."""
        payload = body.pop("payload", None)
        spec = check_spec(body)
        if (payload is None) != (spec.call is None):
            raise SpecError("payload", "belongs to a call: give both fields or neither")
        if payload is None:
            return await self.engine.submit(spec)
        try:
            path = self.services.payloads.path(str(payload))
        except UnknownPayload:
            raise SpecError("payload", "is the id of no uploaded payload; upload it again") from None
        submitted = await self.engine.submit(spec, path)
        self.services.payloads.discard(str(payload))
        return submitted

    @staticmethod
    def _again(body: dict[str, Any]) -> str:
        """The id of `{"again": ID}`: run the same workload again."""
        if len(body) > 1 or not isinstance(body["again"], str):
            raise SpecError("again", "must be the id of a workload, without other fields")
        return str(body["again"])


class WorkloadHandler(LogStreamHandler):
    """`GET|DELETE v1/workloads/{id}`."""

    @authenticated
    @authorized("read", resource=RESOURCE)
    def get(self, workload_id: str) -> None:
        self.parameters()
        self.answer(self.engine.get(workload_id).to_json())

    @authenticated
    @authorized("write", resource=RESOURCE)
    async def delete(self, workload_id: str) -> None:
        self.parameters()
        await self.engine.forget(workload_id)
        self.answer_nothing()


class CancelHandler(LogStreamHandler):
    """`POST v1/workloads/{id}/cancel`."""

    @authenticated
    @authorized("execute", resource=RESOURCE)
    async def post(self, workload_id: str) -> None:
        given = self.parameters("grace")
        grace_s = number(given, "grace", 0, most=_MAX_GRACE_S) if "grace" in given else None
        workload, is_ending = await self.engine.cancel(workload_id, grace_s)
        self.answer(workload.to_json(), 202 if is_ending else 200)


class BackendCheckHandler(LogStreamHandler):
    """`POST v1/backends/{name}/check`: it connects to the backend's machine, so it is no GET."""

    @authenticated
    @authorized("execute", resource=RESOURCE)
    async def post(self, name: str) -> None:
        self.parameters()
        self.answer((await self.engine.check(name)).to_json())


class InputHandler(LogStreamHandler):
    """`POST v1/workloads/{id}/input`."""

    @authenticated
    @authorized("execute", resource=RESOURCE)
    async def post(self, workload_id: str) -> None:
        given = self.parameters("eof")
        if given.get("eof", "0") not in {"0", "1"}:
            raise Refused(400, "invalid_parameter", "eof must be 0 or 1")
        await self.engine.send(workload_id, self.raw_body(), eof=given.get("eof") == "1")
        self.answer_nothing()


ROUTES = [
    (r"v1/info", InfoHandler),
    (r"v1/workloads", WorkloadsHandler),
    (rf"v1/workloads/({ID})", WorkloadHandler),
    (rf"v1/workloads/({ID})/cancel", CancelHandler),
    (rf"v1/backends/({ID})/check", BackendCheckHandler),
    (rf"v1/workloads/({ID})/input", InputHandler),
]
