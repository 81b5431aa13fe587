"""The kernel's calls to other services: the way through the server's proxy, and the log of all calls. Runs in kernels.

Through the proxy the services' keys stay on the server, and every call is a row of the request log. (Calls that go
elsewhere can be recorded: `recording.py`.) This file must not import the server side nor any widget.
"""

from __future__ import annotations

import base64
import json
import os
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from ..model.protocol import WORKLOAD_VARIABLE
from .connection import call, find_server
from .errors import NotFound

_PAGE = 500


# --- through the proxy -----------------------------------------------------------------------------------------------


class ProxyURL(str):  # noqa: SLOT000 - it has two attributes more
    """The address of an upstream, for an SDK's `base_url`; `api_key` and `headers` are what goes with it.

    `api_key` is this server's secret, not the service's, and says which notebook or workload calls. `headers` (for an
    SDK's `default_headers`) also say which cell: they are made anew for every call.
    """

    api_key: str
    headers: Mapping[str, str]

    def __repr__(self) -> str:
        return f"ProxyURL({str(self)!r})"


def proxy_url(upstream: str, path: str = "") -> ProxyURL:
    """The address of the service that the server's configuration calls `upstream`, with `path` behind it.

    `OpenAI(base_url=url, api_key=url.api_key, default_headers=url.headers)` for `url = proxy_url("llm")`. Raises
    NoServer, and NotFound naming the upstreams that there are.
    """
    known = call("GET", "info").json()["upstreams"]
    if upstream not in known:
        there = f"there are {', '.join(known)}" if known else "its configuration names none"
        raise NotFound(f"The server has no upstream {upstream!r}; {there} (c.LogStream.upstreams).")
    place = find_server()
    url = ProxyURL(f"{place.url}/logstream/proxy/{upstream}{'/' if path else ''}{path.lstrip('/')}")
    context = {name: value for name, value in caller().items() if name != "cell"}
    said = base64.urlsafe_b64encode(json.dumps(context).encode()).decode().rstrip("=")
    url.api_key = f"{place.secret}.{said}" if context else place.secret
    url.headers = CallerHeaders()
    return url


class CallerHeaders(Mapping[str, str]):
    """Who calls, as headers for the request log; looked up whenever they are read."""

    def __getitem__(self, name: str) -> str:
        return self._now()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._now())

    def __len__(self) -> int:
        return len(self._now())

    def __repr__(self) -> str:
        return repr(self._now())

    def _now(self) -> dict[str, str]:
        names = {"session": "Session", "workload_id": "Workload", "cell": "Cell"}
        return {f"X-Logstream-{names[name]}": value for name, value in caller().items() if value.isascii()}


def caller() -> dict[str, str]:
    """The notebook, the workload and the cell that this code runs in, as far as it does."""
    found = {
        "session": os.environ.get("JPY_SESSION_NAME") or _kernel_id(),
        "workload_id": os.environ.get(WORKLOAD_VARIABLE),
        "cell": _cell(),
    }
    return {name: value for name, value in found.items() if value}


def _kernel_id() -> str | None:
    """For a kernel that no notebook was named to; its connection file bears its id."""
    app = sys.modules.get("ipykernel.kernelapp")
    if app is None or not app.IPKernelApp.initialized():
        return None
    name: str = os.path.basename(app.IPKernelApp.instance().connection_file)
    return name.removeprefix("kernel-").removesuffix(".json")


def _cell() -> str | None:
    if "IPython" not in sys.modules:
        return None  # what is not imported by now cannot run this cell
    from IPython.core.getipython import get_ipython  # noqa: PLC0415 - only kernels have it

    kernel = getattr(get_ipython(), "kernel", None)
    cell = kernel.get_parent("shell").get("metadata", {}).get("cellId") if kernel is not None else None
    return cell if isinstance(cell, str) else None


# --- the log ---------------------------------------------------------------------------------------------------------


class Requests(list[dict[str, Any]]):
    """Rows of the request log, newest first."""

    def df(self) -> Any:
        """As a pandas DataFrame (`initial_time` as UTC times); without pandas: the list as it is."""
        try:
            import pandas as pd  # noqa: PLC0415 - optional
        except ModuleNotFoundError:
            return self
        frame = pd.DataFrame(list(self))
        if "initial_time" in frame:
            frame["initial_time"] = pd.to_datetime(frame["initial_time"], unit="ms", utc=True)
        return frame


def request_log(limit: int = 100, **filters: str) -> Requests:
    """The newest `limit` calls of all notebooks and workloads of this server, newest first; `.df()` for a DataFrame.

    `filters`: `provider`, `model`, `status` (or several: "error,timeout"), `q` (text anywhere in a row). Raises
    NoServer, Rejected.
    """
    found = Requests()
    params: dict[str, Any] = dict(filters)
    while len(found) < limit:
        page = call("GET", "requests", params={**params, "limit": min(limit - len(found), _PAGE)}).json()
        found += page["requests"]
        if page["next"] is None:
            break
        params["before"] = page["next"]
    return found
