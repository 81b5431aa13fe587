"""What is created in Kubernetes for a workload: the content of its Secret, and its Job. Server; stdlib."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...model.workload import WorkloadSpec
from ...wire.delivery import Order
from ..archive import NAME, runner_archive
from .manifest import (
    ID_LABEL,
    MAX_SECRET_BYTES,
    OWNER_LABEL,
    checked_options,
    job_manifest,
    secret_manifest,
)

_NO_FUNCTION = shlex.quote("functions need Python in the image")


def job_name(workload_id: str) -> str:
    """The name of the Job and of the Secret of a workload."""
    return f"jls-{workload_id.lower()}"


class Jobs:
    """The Jobs of one backend. `owner`: the store, in labels; `defaults`: of options; `stop_s`: from TERM to KILL."""

    def __init__(self, owner: str, *, python: str, setup: str, defaults: Mapping[str, Any], stop_s: int) -> None:
        self._owner, self._python, self._setup = owner, python, setup
        self._defaults, self._stop_s = defaults, stop_s

    def package(self, order: Order, spec: WorkloadSpec, call: Path) -> dict[str, bytes]:
        """What the Secret contains. Files that are too large for it are delivered into the pod instead. OSError."""
        content = {NAME: runner_archive(), "id": order.id.encode()}
        content |= {f"env.{key}": value.encode() for key, value in spec.env.items()}
        sent = {"order.json": json.dumps(order.to_json()).encode()}
        room = MAX_SECRET_BYTES - sum(map(len, [*content.values(), *sent.values()]))
        blobs = {blob.sha256: blob for blob in order.blobs()}
        if sum(blob.size for blob in blobs.values()) > room:
            return content
        base = Path(spec.files_from)
        for sha256, blob in blobs.items():
            sent[sha256] = (call if blob is order.call else base / blob.path).read_bytes()
        return {**content, **sent}

    def manifest(self, workload_id: str, spec: WorkloadSpec) -> dict[str, Any]:
        """The Job of a workload."""
        argv = spec.argv if spec.call is None else ["/bin/sh", "-c", f"echo {_NO_FUNCTION} >&2; exit 127"]
        if spec.cwd:
            argv = ["/bin/sh", "-c", 'cd "$0" && exec "$@"', spec.cwd, *argv]
        if self._setup:
            argv = ["/bin/sh", "-c", f'{self._setup}\nexec "$@"', "setup", *argv]
        return job_manifest(
            job_name(workload_id),
            self._labels(workload_id),
            checked_options(spec.options, self._defaults),
            python=self._python,
            argv=argv,
            env=sorted(spec.env),
            grace_s=self._stop_s,
        )

    def secret(self, workload_id: str, content: Mapping[str, bytes], job_uid: str) -> dict[str, Any]:
        """The Secret of a workload, which Kubernetes deletes with its Job."""
        return secret_manifest(job_name(workload_id), self._labels(workload_id), content, job_uid=job_uid)

    def probe(self) -> dict[str, Any]:
        """A Job like all others, for a dry run."""
        return self.manifest("check", WorkloadSpec(["true"], "check", options={"image": "any", **self._defaults}))

    def _labels(self, workload_id: str) -> dict[str, str]:
        """What Job, pod and Secret of a workload are found by."""
        ours = {"app.kubernetes.io/managed-by": "jupyter-logstream", OWNER_LABEL: self._owner}
        return {**ours, ID_LABEL: workload_id}
