"""Kubernetes through `kubectl`: the user's kubeconfig, contexts and cloud logins apply. Server; stdlib."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..places import ThisMachine, last_lines
from ..programs import Ended, run_program
from ..protocol import CannotLaunch, CannotReach, NotReached
from .manifest import CONTAINER

_TIMEOUT_S = 20.0  # not by --request-timeout: with it kubectl ignores a pod's service account (kubernetes#49343)
# The API server understood and refused; all else can be a connection that comes back.
_REFUSED = re.compile(r"\((Forbidden|Invalid|NotFound|BadRequest|Unauthorized)\)|ValidationError|is invalid")
# No connection was made, so the API server got no request.
_NOT_SENT = re.compile(
    "does not exist|no such file|no such host|was refused|connection refused|getting credentials|invalid configuration"
)
_UID = "jsonpath={.metadata.uid}"


class Kubectl:
    """`program` with its options for a context and a namespace."""

    def __init__(self, program: str, *, context: str, kubeconfig: str, namespace: str) -> None:
        self._command = [program]
        self._command += [f"--kubeconfig={os.path.expanduser(kubeconfig)}"] if kubeconfig else []
        self._command += [f"--context={context}"] if context else []
        self._command += [f"--namespace={namespace}"] if namespace else []

    def argv(self, *arguments: str) -> list[str]:
        """The command line of a command without a time limit."""
        return [*self._command, *arguments]

    def exec_argv(self, pod: str, command: str) -> list[str]:
        """The command line that runs a shell's command in the workload's container, with a pipe to its input."""
        return self.argv("exec", "-i", pod, "-c", CONTAINER, "--", "/bin/sh", "-c", command)

    async def run(self, *arguments: str, stdin: bytes = b"") -> Ended:
        """Run a command to its end. Raises CannotReach if it cannot be started or does not answer."""
        argv = self.argv(*arguments)
        try:
            return await run_program(argv, _TIMEOUT_S, stdin=stdin)
        except FileNotFoundError:
            raise NotReached(f"{argv[0]} is not installed on this server's machine") from None
        except OSError as error:  # TimeoutError is one
            raise CannotReach(str(error)) from error

    async def get(self, *what: str) -> list[dict[str, Any]]:
        """Objects of `kubectl get`. Raises CannotReach with the error text."""
        done = await self.run("get", *what, "-o", "json")
        if done.code:
            raise CannotReach(_problem(done))
        found: list[dict[str, Any]] = json.loads(done.output)["items"]
        return found

    async def create(self, manifest: Mapping[str, Any]) -> str:
        """Create an object; returns its uid, "" if it was there. The manifest goes over standard input.

        Raises CannotLaunch: it was refused; NotReached: it was not sent; CannotReach: it may have been created.
        """
        done = await self.run("create", "-f", "-", "-o", _UID, stdin=json.dumps(manifest).encode())
        if done.code == 0:
            return done.output.strip()
        if "(AlreadyExists)" in done.errors:
            return ""
        if _REFUSED.search(done.errors):
            raise CannotLaunch(None, _problem(done))
        raise (NotReached if _NOT_SENT.search(done.errors) else CannotReach)(_problem(done))

    async def uid(self, name: str) -> str:
        """The uid of an object such as "job/NAME". Raises CannotReach."""
        done = await self.run("get", name, "-o", _UID)
        if done.code:
            raise CannotReach(_problem(done))
        return done.output.strip()

    async def delete(self, *names: str) -> None:
        """Delete objects such as "job/NAME", and what they own, without waiting. Raises CannotReach."""
        done = await self.run("delete", *names, "--ignore-not-found", "--wait=false", "--cascade=background")
        if done.code:
            raise CannotReach(_problem(done))

    async def output(self, pod: str, command: Sequence[str]) -> str:
        """What a command in the workload's container prints. Raises CannotReach."""
        done = await self.run("exec", pod, "-c", CONTAINER, "--", *command)
        if done.code:
            raise CannotReach(_problem(done))
        return done.output


def _problem(done: Ended) -> str:
    return f"kubectl: {last_lines(done.errors) or f'exit code {done.code}'}"


class PodPlace(ThisMachine):
    """The container of a workload, as a place for commands."""

    def __init__(self, kubectl: Kubectl, pod: str) -> None:
        self._kubectl, self._pod = kubectl, pod
        self.name = f"the pod {pod}"

    def argv(self, command: str) -> list[str]:
        """See Place."""
        return self._kubectl.exec_argv(self._pod, command)
