"""URLs of upstreams behind the server's proxy, and access to the request log. Runs in kernels, in user code.

The proxy keeps the services' API keys on the server and records every call in the request log; call_recorder.py records
calls that bypass it. This file must not import the server side nor a widget.
"""

from __future__ import annotations

import base64
import json
import os
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from ..model.protocol import WORKLOAD_VARIABLE
from .connection import call
from .discovery import find_server
from .errors import NoServer, NotFound

PAGE_ROWS = 500
"""Rows per request: the server's maximum."""


# --- through the proxy -----------------------------------------------------------------------------------------------


class ProxyURL(str):  # noqa: SLOT000 - it has two attributes more
    """URL of an upstream behind the proxy (a str), with the `api_key` and `headers` that requests to it need.

    `api_key`: this server's secret, not the service's key; it also names the calling notebook or workload. `headers`:
    for an SDK's `default_headers`; they also name the calling cell and are computed for every request.
    """

    api_key: str
    headers: Mapping[str, str]

    def __repr__(self) -> str:
        return f"ProxyURL({str(self)!r})"


def proxy_url(upstream: str, path: str = "") -> ProxyURL:
    """The URL of a configured service behind this server's proxy, for the `base_url` of an SDK.

    `upstream`: its name in `c.LogStream.upstreams`. `path`: appended to the URL. The result is a str with two more
    attributes, `api_key` and `headers`: with `url = proxy_url("llm")`,
    `OpenAI(base_url=url, api_key=url.api_key, default_headers=url.headers)`. The service's own key stays on the server.

    Raises NoServer, and NotFound, which lists the configured upstreams.
    """
    known = call("GET", "info").json()["upstreams"]
    if upstream not in known:
        available = f"it has {', '.join(known)}" if known else "none is configured"
        raise NotFound(f"The server has no upstream {upstream!r}; {available}. Add it to c.LogStream.upstreams.")
    server = find_server()
    if server.socket is not None:
        raise NoServer(
            f"The server listens on the Unix socket {server.socket}, which no URL reaches. Start it on a port."
        )
    url = ProxyURL(f"{server.url}/logstream/proxy/{upstream}{'/' if path else ''}{path.lstrip('/')}")
    context = {name: value for name, value in caller().items() if name != "cell"}
    encoded = base64.urlsafe_b64encode(json.dumps(context).encode()).decode().rstrip("=")
    url.api_key = f"{server.secret}.{encoded}" if context else server.secret
    url.headers = CallerHeaders()
    return url


class CallerHeaders(Mapping[str, str]):
    """The caller as request headers for the request log; evaluated at every access."""

    def __getitem__(self, name: str) -> str:
        return self._current()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._current())

    def __len__(self) -> int:
        return len(self._current())

    def __repr__(self) -> str:
        return repr(self._current())

    def _current(self) -> dict[str, str]:
        names = {"session": "Session", "workload_id": "Workload", "cell": "Cell"}
        return {f"X-Logstream-{names[name]}": value for name, value in caller().items() if value.isascii()}


def caller() -> dict[str, str]:
    """The notebook session, workload and cell that this code runs in; keys that do not apply are absent."""
    found = {
        "session": os.environ.get("JPY_SESSION_NAME") or _kernel_id(),
        "workload_id": os.environ.get(WORKLOAD_VARIABLE),
        "cell": _cell(),
    }
    return {name: value for name, value in found.items() if value}


def _kernel_id() -> str | None:
    """The kernel's id, from the name of its connection file; identifies a kernel without a notebook session."""
    app = sys.modules.get("ipykernel.kernelapp")
    if app is None or not app.IPKernelApp.initialized():
        return None
    name: str = os.path.basename(app.IPKernelApp.instance().connection_file)
    return name.removeprefix("kernel-").removesuffix(".json")


def _cell() -> str | None:
    if "IPython" not in sys.modules:
        return None  # without IPython there are no cells
    from IPython.core.getipython import get_ipython  # noqa: PLC0415 - only kernels have it

    kernel = getattr(get_ipython(), "kernel", None)
    cell = kernel.get_parent("shell").get("metadata", {}).get("cellId") if kernel is not None else None
    return cell if isinstance(cell, str) else None


# --- request log -----------------------------------------------------------------------------------------------------


class RequestRows(list[dict[str, Any]]):
    """Rows of the request log, newest first."""

    def df(self) -> Any:
        """The rows as a pandas DataFrame, `initial_time` as UTC times; without pandas the list itself."""
        try:
            import pandas as pd  # noqa: PLC0415 - optional
        except ModuleNotFoundError:
            return self
        frame = pd.DataFrame(list(self))
        if "initial_time" in frame:
            frame["initial_time"] = pd.to_datetime(frame["initial_time"], unit="ms", utc=True)
        return frame


def request_log(limit: int = 100, **filters: str) -> RequestRows:
    """The newest calls in this server's request log, newest first: a list of dicts whose `.df()` is a pandas DataFrame.

    `limit`: at most so many rows. `filters`: `provider`, `model`, `status` (one or several: "error,timeout") and `q`
    (text anywhere in a row), as keyword arguments.

    Fields and columns: `id`, `status` (pending, streaming, completed, error, cancelled, timeout, interrupted),
    `initial_time` (Unix ms; in the DataFrame UTC), `duration_ms`, `time_to_first_chunk_ms`, `upstream`, `method`,
    `path`, `http_status`, `provider`, `model`, `response_model`, `operation`, `input_tokens`, `output_tokens`,
    `cached_tokens`, `cost_usd`, `stream`, `session`, `workload_id`, `error`, `request_bytes`, `response_bytes`,
    `finish_reason`, `cache_creation_tokens`, `reasoning_tokens`.
    Fields that are unknown are None. Raises NoServer, and Rejected for an unknown filter or status.
    """
    found = RequestRows()
    params: dict[str, Any] = dict(filters)
    while len(found) < limit:
        page = call("GET", "requests", params={**params, "limit": min(limit - len(found), PAGE_ROWS)}).json()
        found += page["requests"]
        if page["next"] is None:
            break
        params["before"] = page["next"]
    return found
