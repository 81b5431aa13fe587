"""Self-test of a Kubernetes cluster: kubectl, the API server, permissions. Server; for the doctor only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..places import last_lines
from ..protocol import CannotReach, Check
from .api import Kubectl

PERMISSIONS = (
    ("create", "jobs"), ("get", "jobs"), ("list", "jobs"), ("delete", "jobs"), ("create", "secrets"),
    ("delete", "secrets"), ("list", "pods"), ("create", "pods/exec"), ("get", "pods/exec"), ("get", "pods/log"),
    ("list", "events"),
)  # fmt: skip
"""What this backend does in its namespace; docs/kubernetes.md has a Role with exactly these."""


async def check_kubernetes(kubectl: Kubectl, job: Mapping[str, Any]) -> list[Check]:
    """Try kubectl, the API server, each permission, and a dry run of a Job like `job`, which the namespace can refuse.

    What depends on a failed test is left out.
    """
    try:
        client = await kubectl.run("version", "--client", "-o", "yaml")
        answer = await kubectl.run("get", "--raw", "/version")
    except CannotReach as error:
        return [
            Check("run kubectl", ok=False, found=str(error), advice="install kubectl, or set `kubectl` to its path")
        ]
    version = next((line.partition(":")[2].strip() for line in client.output.splitlines() if "gitVersion" in line), "")
    checks = [Check("run kubectl", ok=True, found=version)]
    if answer.code:
        advice = "make `kubectl get jobs` work on this server's machine: check `context`, `kubeconfig` and the login"
        return [*checks, Check("reach the API server", ok=False, found=last_lines(answer.errors), advice=advice)]
    checks.append(Check("reach the API server", ok=True, found="it answers"))
    missing = [f"{verb} {what}" for verb, what in PERMISSIONS if not await _may(kubectl, verb, what)]
    advice = "apply the Role of docs/kubernetes.md in this namespace" if missing else ""
    found = f"not allowed: {', '.join(missing)}" if missing else "allowed"
    checks.append(Check("use Jobs, Secrets, pods and events", ok=not missing, found=found, advice=advice))
    return checks if missing else [*checks, await _dry_run(kubectl, job)]


async def _dry_run(kubectl: Kubectl, job: Mapping[str, Any]) -> Check:
    what = "create a Job (dry run)"
    try:
        done = await kubectl.run("create", "--dry-run=server", "-f", "-", stdin=json.dumps(job).encode())
    except CannotReach as error:
        return Check(what, ok=False, found=str(error))
    if done.code == 0:
        return Check(what, ok=True, found="accepted")
    advice = "check `namespace` and the option `manifest` of this backend"
    return Check(what, ok=False, found=last_lines(done.errors), advice=advice)


async def _may(kubectl: Kubectl, verb: str, what: str) -> bool:
    try:
        kind, _, part = what.partition("/")
        return (await kubectl.run("auth", "can-i", verb, kind, f"--subresource={part}", "-q")).code == 0
    except CannotReach:
        return False
