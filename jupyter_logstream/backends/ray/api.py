"""Client of Ray's HTTP API: packages, jobs, the log stream of a job. Server; the only file that needs aiohttp here.

Ray's own client needs the whole of Ray, in the version of the cluster. Each request has a connection and a time-out of
its own, so nothing is left to close.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import IO, Any
from urllib.parse import quote, urlsplit

from ..protocol import CannotLaunch, CannotReach, NotReached

_TIMEOUT_S, _UPLOAD_TIMEOUT_S, _SILENCE_TIMEOUT_S = 20.0, 300.0, 60.0
_CONNECT_TIMEOUT_S = 10.0
_MAX_ERROR_CHARS = 500
_READ_BYTES = 1 << 16
_LOG_INTERVAL_S = 0.05
_NOT_FOUND, _SERVER_ERROR = 404, 500


class Http:
    """Requests to one HTTP server. `name`: its name in messages; `ca`: certificates (PEM) that are trusted, too.

    Redirections are not followed: headers go to `address` only.
    """

    def __init__(self, name: str, address: str, headers: Mapping[str, str], ca: str = "") -> None:
        self.address, self.ca = address.rstrip("/"), ca
        self._name, self._headers = name, dict(headers)

    async def status(self, path: str) -> tuple[int, str]:
        """Status and body of the answer to a GET. Raises NotReached, CannotReach."""
        async with self._request("GET", path, accept_errors=True) as response:
            return response.status, await response.text()

    @asynccontextmanager
    async def _request(
        self,
        method: str,
        path: str,
        *,
        timeout: float | None = _TIMEOUT_S,
        accept_errors: bool = False,
        **body: Any,
    ) -> AsyncIterator[Any]:
        """A response; its body is read within the block. `accept_errors`: the caller checks its status."""
        import aiohttp  # noqa: PLC0415 - takes 100 ms, which servers without Ray spare

        limits = aiohttp.ClientTimeout(timeout, sock_connect=_CONNECT_TIMEOUT_S, sock_read=_SILENCE_TIMEOUT_S)
        try:
            async with (
                aiohttp.ClientSession(timeout=limits, headers=self._headers) as session,
                session.request(method, self.address + path, allow_redirects=False, **self._tls(), **body) as response,
            ):
                if not accept_errors:
                    await self._check(response)
                yield response
        except aiohttp.ContentTypeError:
            raise CannotReach(f"{self._name} at {self.address} is another service: no JSON") from None
        except aiohttp.ClientConnectorCertificateError as error:
            raise NotReached(f"{self._name} at {self.address}: {error.certificate_error}") from None
        except aiohttp.ClientConnectorError as error:
            raise NotReached(f"{self._name} at {self.address}: {_problem(error.os_error)}") from None
        except asyncio.TimeoutError:
            raise CannotReach(f"{self._name} at {self.address} did not answer in time") from None
        except (aiohttp.ClientError, ValueError) as error:
            raise CannotReach(f"{self._name} at {self.address}: {error}") from None

    def _tls(self) -> dict[str, Any]:
        if not self.ca:
            return {}
        context = ssl.create_default_context()
        context.load_verify_locations(cadata=self.ca)
        return {"ssl": context}

    async def _check(self, response: Any) -> None:
        if not _is_success(response):
            problem = f"{response.status} {await _error(response)}".rstrip()
            kind = CannotReach if response.status >= _SERVER_ERROR else NotReached  # refused: nothing was done
            raise kind(f"{self._name} at {self.address} answered {problem}")


class RayApi(Http):
    """`address`: that of the dashboard, such as http://head:8265; `headers`: sent with each request, secrets included.

    `ca`: see Http. Raises ValueError for an address that cannot be used. All methods raise NotReached (no connection,
    or refused) and CannotReach.
    """

    def __init__(self, address: str, headers: Mapping[str, str], ca: str = "") -> None:
        parts = urlsplit(address) if isinstance(address, str) else None
        if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname or parts.query:
            raise ValueError("address must be the URL of Ray's dashboard, such as http://head:8265")
        if parts.username is not None:
            raise ValueError("address must contain no password: put it into headers")
        if not isinstance(headers, Mapping) or not all(_is_line(one) for kv in headers.items() for one in kv):
            raise ValueError("headers must be a dict of strings without line breaks")
        super().__init__("Ray", address, headers, ca)
        self.host = parts.hostname

    async def version(self) -> str:
        """Ray's version."""
        async with self._request("GET", "/api/version") as response:
            found = await response.json()
        if not isinstance(found, dict) or "ray_version" not in found:
            raise CannotReach(f"{self.address} answers, but not as Ray's dashboard does")
        return str(found["ray_version"])

    async def upload(self, package: str, content: IO[bytes]) -> None:
        """Store a package under its name; its URI is `gcs://NAME`."""
        async with self._request("PUT", f"/api/packages/gcs/{quote(package)}", data=content, timeout=_UPLOAD_TIMEOUT_S):
            pass

    async def submit(self, job: Mapping[str, Any]) -> None:
        """Submit a job, unless one with its `submission_id` exists. Raises CannotLaunch with Ray's text."""
        async with self._request("POST", "/api/jobs/", json=job, accept_errors=True) as response:
            if _is_success(response):
                return
            if "already exists" in await response.text():  # Ray answers 500 for it
                return
            raise CannotLaunch(None, f"Ray refuses the job: {await _error(response)}")

    async def jobs(self) -> list[dict[str, Any]]:
        """All jobs of the cluster."""
        async with self._request("GET", "/api/jobs/") as response:
            found: list[dict[str, Any]] = await response.json()
            return found

    async def job(self, job_id: str) -> dict[str, Any] | None:
        """A job; None if Ray does not know it."""
        async with self._request("GET", f"/api/jobs/{quote(job_id)}", accept_errors=True) as response:
            if response.status == _NOT_FOUND:
                return None
            await self._check(response)
            found: dict[str, Any] = await response.json()
            return found

    async def stop(self, job_id: str) -> None:
        """Send TERM to the processes of a job, and KILL after its stop time; no error if it has ended."""
        async with self._request("POST", f"/api/jobs/{quote(job_id)}/stop", accept_errors=True) as response:
            if response.status != _NOT_FOUND:
                await self._check(response)

    async def delete(self, job_id: str) -> None:
        """Delete what Ray stores about a job that has ended."""
        async with self._request("DELETE", f"/api/jobs/{quote(job_id)}", accept_errors=True) as response:
            if response.status != _NOT_FOUND:
                await self._check(response)

    async def log(self, job_id: str, node_id: str, *, follow: bool) -> AsyncIterator[bytes]:
        """The log of a job from its begin, in pieces. `follow`: it does not end by itself, whatever the job's state."""
        query = f"submission_id={quote(job_id)}&node_id={quote(node_id)}&lines=-1"
        path = f"/api/v0/logs/stream?{query}&interval={_LOG_INTERVAL_S}" if follow else f"/api/v0/logs/file?{query}"
        async with self._request("GET", path, timeout=None) as response:
            while data := await response.content.read(_READ_BYTES):
                yield data


def _is_line(value: Any) -> bool:
    return isinstance(value, str) and not set("\r\n\0") & set(value)


def _is_success(response: Any) -> bool:
    return bool(200 <= response.status < 300)


async def _error(response: Any) -> str:
    """The error that a response describes: the last line of Ray's traceback; that of a proxy is its own reason."""
    if target := response.headers.get("Location"):
        return f"{response.reason} to {target[:_MAX_ERROR_CHARS]}"
    if response.content_type == "text/html":
        return str(response.reason)
    lines = [line.strip() for line in (await response.text()).splitlines() if line.strip()]
    return lines[-1].removeprefix(f"{response.status}: ")[:_MAX_ERROR_CHARS] if lines else ""


def _problem(error: OSError) -> str:
    """The text of a failed connection: asyncio's names the call instead of the cause."""
    return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error.strerror or error)
