"""Configuration of upstreams: valid options apply, invalid ones are named with the problem."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.serving import jupyter

from jupyter_logstream.server.proxy.upstreams import UpstreamError, check_upstream, check_upstreams

if TYPE_CHECKING:
    from pathlib import Path


def test_a_url_is_enough() -> None:
    found, _ = check_upstreams({"a": "https://h.example/v1/", "b": "http://[::1]:8080", "c": {"url": "http://h"}})
    a, b, c = (found[name] for name in "abc")
    assert (a.origin, a.prefix, a.port, a.authority) == ("https://h.example", "/v1", 443, "h.example")
    assert a.tls is not None
    assert (b.origin, b.prefix, b.host) == ("http://[::1]:8080", "", "::1")
    assert (c.authority, c.connect_timeout, c.timeout, c.kernel, c.tls) == ("h", 10.0, None, True, None)


def test_every_option_is_applied() -> None:
    given = {"url": "http://h/p", "headers": {"X-A": " b "}, "connect_timeout": 1, "timeout": 2.5, "kernel": False,
             "provider": "mine", "prices": {"m*": {"input": 1, "output": 2}}}  # fmt: skip
    up = check_upstream("x", given)
    assert (dict(up.headers), up.connect_timeout, up.timeout, up.kernel, up.provider) == (
        {"X-A": "b"},
        1.0,
        2.5,
        False,
        "mine",
    )
    assert up.prices["m*"].output == 2


WRONG = [
    ([], "must be {"), ({"a b": "http://h"}, "name"), ({"": "http://h"}, "name"), ({"a/b": "http://h"}, "name"),
        ({5: "http://h"}, "name"),
    ({"a": 5}, "must be a URL"), ({"a": {}}, "must be a URL"), ({"a": {"url": "http://h", "urls": 1}},
        "'urls' is not an option"),
    ({"a": "ftp://h"}, "http://"), ({"a": "h:80"}, "http://"), ({"a": "//h"}, "http://"), ({"a": "http://"}, "host"),
    ({"a": "http://u:p@h/"}, "user and password"), ({"a": "http://h/?x=1"}, "query"), ({"a": "http://h/#f"},
        "fragment"),
    ({"a": "http://h:99999/"}, '"url"'), ({"a": "http://h /"}, '"url"'), ({"a": "http://h\n/"}, '"url"'),
    ({"a": {"url": "http://h", "headers": []}}, '"headers"'), ({"a": {"url": "http://h", "headers": {"a b": "c"}}},
        "'a b'"),
    ({"a": {"url": "http://h", "headers": {"a": "c\nd"}}}, "value of a"), ({"a": {"url": "http://h",
        "headers": {"a": 5}}}, "value of a"),
    ({"a": {"url": "http://h", "headers": {"Host": "x"}}}, "Host"), ({"a": {"url": "http://h", "timeout": 0}},
        '"timeout"'),
    ({"a": {"url": "http://h", "timeout": True}}, '"timeout"'), ({"a": {"url": "http://h", "timeout": float("inf")}},
        '"timeout"'),
    ({"a": {"url": "http://h", "kernel": 1}}, '"kernel"'), ({"a": {"url": "http://h", "provider": ""}}, '"provider"'),
    ({"a": {"url": "https://h", "verify": "/no/such/file"}}, '"verify"'), ({"a": {"url": "https://h", "verify": 1}},
        '"verify"'),
    ({"a": {"url": "https://h", "cert": 5}}, '"cert"'), ({"a": {"url": "https://h", "cert": ("a", "b", "c")}},
        '"cert"'),
    ({"a": {"url": "http://h", "prices": []}}, '"prices"'), ({"a": {"url": "http://h", "prices": {"m": {"in": 1}}}},
        "'m'"),
    ({"a": {"url": "http://h", "prices": {"m": {"input": -1}}}}, "'m'"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "message"), WRONG)
def test_what_is_wrong_is_named(given: Any, message: str) -> None:
    found, (problem,) = check_upstreams(given)
    assert not found
    assert message in problem
    assert problem.startswith("c.LogStream.upstreams")


def test_error_message_contains_no_key() -> None:
    for headers in {"Authorization": "Bearer sk-canary\n"}, {"Authorization": ["sk-canary"]}:
        with pytest.raises(UpstreamError) as error:
            check_upstream("a", {"url": "http://h", "headers": headers})
        assert "canary" not in str(error.value)


@pytest.mark.parametrize(("wrong", "message"), [
    ({"runs": {"url": "localhost:8080"}},
        "upstreams['runs']: \"url\" must begin with http:// or https:// and name a host"),
    ("{'runs': ", "upstreams must be {"),
])  # fmt: skip
async def test_invalid_upstream_is_reported_at_start_and_left_out(
    serve: Any, capfd: pytest.CaptureFixture[str], wrong: Any, message: str
) -> None:
    given = {**wrong, "fine": "http://127.0.0.1:1"} if isinstance(wrong, dict) else wrong
    site = await serve(upstreams=given)
    assert message in capfd.readouterr().err
    assert (await site.get("v1/info"))["upstreams"] == (["fine"] if isinstance(wrong, dict) else [])
    assert (await site.request("GET", "proxy/runs/a")).status == 404


def test_the_command_line_takes_upstreams_as_one_python_literal(tmp_path: Path) -> None:
    literal = "{'runs': {'url': 'http://127.0.0.1:1/prefix', 'headers': {'X-A': 'b'}}, 'llm': 'https://h'}"
    with jupyter(tmp_path, options=(f"--LogStream.upstreams={literal}",)) as server:
        assert server.get("info")["upstreams"] == ["runs", "llm"]
    with jupyter(tmp_path, options=("--LogStream.upstreams={'runs': ",)) as server:
        assert server.get("info")["upstreams"] == []
        assert "c.LogStream.upstreams must be" in server.log
        assert "Traceback" not in server.log
