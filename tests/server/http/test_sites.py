"""Requests of pages of other sites, and errors without internal details."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from jupyter_logstream.server.http import workloads

if TYPE_CHECKING:
    from support.web import Site

from support.logged_in import browser
from support.route_table import ACTIONS, JSON, is_error, request


async def test_cookie_can_read_but_writes_need_the_xsrf_token(site: Site) -> None:
    user = await browser(site)
    workload_id = await site.run("echo a")
    assert (await user.request("GET", "v1/info")).status == 200
    xsrf = re.search(r"_xsrf=([^;]+)", user.headers["Cookie"])
    assert xsrf
    for method, path, body in [
        ("POST", "v1/workloads", b'{"command": "true"}'),
        ("POST", f"v1/workloads/{workload_id}/cancel", b""),
        ("POST", f"v1/workloads/{workload_id}/input", b"x"),
        ("POST", "v1/events", json.dumps({"streams": [{"stream": f"workload/{workload_id}"}]}).encode()),
        ("DELETE", f"v1/workloads/{workload_id}", None),
    ]:
        for wrong in {}, {"X-XSRFToken": "wrong"}, {"Authorization": "Bearer wrong"}:
            answer = await user.request(method, path, body, {**JSON, **wrong})
            assert answer.status == 403, (method, path, wrong)
            assert is_error(answer)
        right = await user.request(method, path, body, {**JSON, "X-XSRFToken": xsrf[1]})
        assert right.status != 403, (method, path, right.body)
    by_query = await user.request("POST", f"v1/workloads?_xsrf={xsrf[1]}", b'{"command": "true"}', JSON)
    assert by_query.status == 201


async def test_information_gives_a_browser_the_xsrf_cookie_that_its_page_lacks(site: Site) -> None:
    user = await browser(site)
    login = "; ".join(part for part in user.headers["Cookie"].split("; ") if not part.startswith("_xsrf="))
    answer = await site.with_headers(Cookie=login).request("GET", "v1/info")
    cookie = re.search(r"_xsrf=([^;]+)", answer.headers["set-cookie"])
    assert answer.status == 200
    assert cookie
    page = site.with_headers(Cookie=f"{login}; _xsrf={cookie[1]}")
    started = await page.request("POST", "v1/workloads", b'{"command": "true"}', {**JSON, "X-XSRFToken": cookie[1]})
    assert started.status == 201
    for known in site, user:  # by token; and with the cookie
        assert "_xsrf=" not in (await known.request("GET", "v1/info")).headers.get("set-cookie", "")


async def test_page_of_another_site_cannot_read_with_the_users_cookie(site: Site) -> None:
    user = await browser(site)
    workload_id = await site.run("echo a")
    own = f"http://127.0.0.1:{site.port}"
    below = f"v1/workloads/{workload_id}"
    paths = ["v1/info", "v1/workloads", below, f"{below}/records", f"{below}/logs", f"{below}/log.txt"]
    paths += [f"v1/logs/stream?job_id={workload_id}", f"v1/events?stream=workload/{workload_id}"]
    for path in paths:
        for foreign in [
            {"Referer": "http://evil.example/"}, {"Referer": "http://127.0.0.1.evil.example/x"},
            {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "http://evil.example"},
            {"Origin": "null"},
        ]:  # fmt: skip
            answer = await user.request("GET", path, headers=foreign)
            assert answer.status in {403, 404}, (path, foreign, answer.status)
            assert b"echo a" not in answer.body
            assert answer.headers.get("access-control-allow-origin") is None
        for ours in (
            {"Referer": f"{own}/lab"},
            {"Sec-Fetch-Site": "same-origin"},
            {"Origin": own},
            {"Sec-Fetch-Site": "none"},
        ):
            assert (await user.request("GET", path, headers=ours)).status == 200, (path, ours)


async def test_token_is_accepted_as_header_and_as_parameter(site: Site) -> None:
    token = site.headers["Authorization"].split()[1]
    workload_id = await site.run("echo a")
    for path in f"v1/workloads/{workload_id}/logs", f"v1/logs/stream?job_id={workload_id}", "v1/info", "v1/workloads":
        joint = "&" if "?" in path else "?"
        for query in f"token={token}", f"token={token}&_xsrf=abc", f"_xsrf=abc&token={token}":
            assert (await site.with_headers().request("GET", f"{path}{joint}{query}")).status == 200, (path, query)
    assert (await site.with_headers(Authorization=f"Bearer {token}").request("GET", "v1/info")).status == 200


async def test_unexpected_fault_is_500_without_path_or_traceback(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    workload_id = await site.run("echo a")

    def fail(*_: Any, **__: Any) -> Any:
        raise RuntimeError("/secret/path/of/the/store")

    for name in "get", "page", "status_of", "submit", "cancel", "send", "forget", "check":
        monkeypatch.setattr(type(site.services.engine), name, fail)
    broken = type("Broken", (), {"__getattr__": fail})()
    services = replace(site.services, request_log=broken, upstreams=broken, payloads=broken)
    monkeypatch.setitem(site.app.web_app.settings, "logstream", services)
    for path, method in ACTIONS:
        if path == "v1/info":
            continue
        answer = await site.request(*request(path, method, workload_id), JSON)
        assert answer.status == 500, (path, method, answer.status)
        assert is_error(answer)
        for leak in b"Traceback", b"/secret", b"RuntimeError", str(site.services.store.root).encode():
            assert leak not in answer.body
    monkeypatch.setattr(workloads.InfoHandler, "answer", fail)
    assert (await site.request("GET", "v1/info")).status == 500
    monkeypatch.undo()  # before the server stops, which needs the real services


async def test_every_error_is_json_with_a_message_and_a_stable_reason(site: Site) -> None:
    for method, path, body, headers in [
        ("GET", "v1/workloads/none", None, {}),
        ("PUT", "v1/workloads", b"", {}),
        ("POST", "v1/workloads", b"{", JSON),
        ("POST", "v1/workloads", b"{}", JSON),
        ("GET", "v1/workloads?limit=x", None, {}),
        ("GET", "v1/info", None, {"Authorization": ""}),
        ("GET", "v1/info", None, {"Host": "evil.example"}),
    ]:
        answer = await site.request(method, path, body, headers)
        assert 400 <= answer.status < 500
        assert set(answer.json) == {"message", "reason"}, (method, path, answer.json)
        assert re.fullmatch(r"[a-z][a-z_]*", answer.json["reason"])
        assert answer.headers["content-type"].startswith("application/json")


@pytest.mark.parametrize("base_url", ["/", "/user/some%20one/"])
async def test_it_works_below_any_base_url(serve: Any, base_url: str) -> None:
    site = await serve(base_url=base_url)
    answer = await site.request("POST", "v1/workloads", json={"command": "echo a"})
    assert answer.status == 201
    located = await site.request("GET", answer.headers["location"])
    assert located.json["id"] == answer.json["id"]
    assert site.services.engine is not None
    address = json.loads((site.services.store.root / "server.json").read_text())
    assert address["url"].endswith(base_url)


async def test_running_workloads_count_as_activity_but_reading_logs_does_not(site: Site) -> None:
    times = site.app.web_app.settings["last_activity_times"]
    site.extension._report_activity()
    assert "jupyter_logstream" not in times
    workload_id = await site.start("sleep 600")
    await site.state(workload_id, "running")
    site.extension._report_activity()
    first = times["jupyter_logstream"]
    site.extension._report_activity()
    assert times["jupyter_logstream"] >= first
    await site.request("POST", f"v1/workloads/{workload_id}/cancel")
    await site.state(workload_id)
    last = times["jupyter_logstream"]
    before = site.app.web_app.settings.get("api_last_activity")
    site.extension._report_activity()
    await site.get("v1/workloads")
    assert times["jupyter_logstream"] == last
    assert site.app.web_app.settings.get("api_last_activity") == before


async def test_running_as_activity_can_be_switched_off(serve: Any) -> None:
    site = await serve(running_is_activity=False)
    await site.state(await site.start("sleep 600"), "running")
    site.extension._report_activity()
    assert "jupyter_logstream" not in site.app.web_app.settings["last_activity_times"]
