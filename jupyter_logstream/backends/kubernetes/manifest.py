"""Manifests of a workload in Kubernetes: a Job, and the Secret with what it runs. Server; no I/O.

The container runs `runner.pyz hold`, which starts the workload and keeps the pod until its log is copied. In an image
without Python it runs the command as it is, and leaves NO_PYTHON as its termination message.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from ...model.spec import SpecError, printable

OPTIONS = ("cpu", "gpus", "image", "manifest", "memory", "node_selector", "service_account")
CONTAINER = "main"
PACKAGE = "/etc/jupyter-logstream"
VOLUME = "/var/jupyter-logstream"
ROOT = f"{VOLUME}/workloads"
"""A folder of its own: the volume belongs to root, whatever user runs in the container."""
MAX_SECRET_BYTES = 900 << 10
"""Of what a Secret takes, 1 MiB with its other fields."""
HELD = "held"
"""A file in ROOT: the runner is in the container."""

NO_PYTHON = "jupyter-logstream: no Python"
_TTL_S = 7 * 86400
"""Seconds after its end for which a Job stays, if no server comes that copies its log and deletes it."""
ID_LABEL, OWNER_LABEL = "jupyter-logstream/id", "jupyter-logstream/owner"

_START = f"""\
if command -v "$0" >/dev/null 2>&1; then exec "$0" -I {PACKAGE}/runner.pyz hold {PACKAGE} {ROOT}; fi
printf %s '{NO_PYTHON}' > /dev/termination-log
exec "$@"
"""
_QUANTITY = re.compile(r"[0-9]+(\.[0-9]+)?(m|[kKMGTPE]i?)?")
_ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def checked_options(options: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a workload over the backend's defaults; manifests are merged. Raises SpecError (options.NAME)."""
    merged = {**defaults, **options}
    if defaults.get("manifest") and options.get("manifest"):
        merged["manifest"] = merge(defaults["manifest"], options["manifest"])
    for name, value in merged.items():
        field = f"options.{printable(str(name))}"
        if name not in OPTIONS:
            raise SpecError(field, f"is not supported: use {', '.join(OPTIONS)}")
        if problem := _problem(name, value):
            raise SpecError(field, problem)
    if not merged.get("image"):
        raise SpecError("options.image", "is missing: name a container image, or set one for this backend")
    return merged


def _problem(name: str, value: Any) -> str:
    """Why a value of an option cannot be used; "" if it can."""
    if name in {"image", "service_account"}:
        return "" if isinstance(value, str) and value and not re.search(r"\s", value) else "must be a name"
    if name in {"cpu", "memory"}:
        is_quantity = not isinstance(value, bool) and _QUANTITY.fullmatch(str(value))
        return "" if is_quantity else 'must be a quantity of Kubernetes, such as "500m" or "2Gi"'
    if name == "gpus":
        is_count = isinstance(value, int) and not isinstance(value, bool) and value >= 0
        return "" if is_count else "must be a whole number"
    if name == "node_selector":
        is_labels = isinstance(value, Mapping) and all(isinstance(one, str) for pair in value.items() for one in pair)
        return "" if is_labels else "must be labels with their values, both strings"
    return "" if isinstance(value, Mapping) else "must be a part of a Job's manifest, as a dict"


def job_manifest(
    name: str,
    labels: Mapping[str, str],
    options: Mapping[str, Any],
    *,
    python: str,
    argv: Sequence[str],
    env: Sequence[str],
    grace_s: int,
) -> dict[str, Any]:
    """The Job. `argv`: the command, for images without Python; `env`: variables with values in the Secret.

    `grace_s`: seconds from TERM to KILL.
    """
    volumes = [{"name": "package", "secret": {"secretName": name}}, {"name": "log", "emptyDir": {}}]
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": grace_s,
        "containers": [_container(name, options, ["/bin/sh", "-c", _START, python, *argv], env)],
        "volumes": volumes,
    }
    if "node_selector" in options:
        pod["nodeSelector"] = dict(options["node_selector"])
    if "service_account" in options:
        pod["serviceAccountName"] = options["service_account"]
    spec = {"backoffLimit": 0, "ttlSecondsAfterFinished": _TTL_S}
    template = {"metadata": {"labels": dict(labels)}, "spec": pod}
    metadata = {"name": name, "labels": dict(labels)}
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {**spec, "template": template}}
    merged: dict[str, Any] = merge(job, options.get("manifest", {}))
    return merged


def _container(secret: str, options: Mapping[str, Any], command: list[str], env: Sequence[str]) -> dict[str, Any]:
    resources = {key: str(options[key]) for key in ("cpu", "memory") if key in options}
    if options.get("gpus"):
        resources["nvidia.com/gpu"] = str(options["gpus"])
    return {
        "name": CONTAINER,
        "image": options["image"],
        "command": command,
        "env": [
            {"name": one, "valueFrom": {"secretKeyRef": {"name": secret, "key": f"env.{one}"}}}
            for one in env
            if _ENVIRONMENT_NAME.fullmatch(one)
        ],
        "resources": {"limits": resources, "requests": resources} if resources else {},
        "volumeMounts": [
            {"name": "package", "mountPath": PACKAGE, "readOnly": True},
            {"name": "log", "mountPath": VOLUME},
        ],
    }


def secret_manifest(
    name: str, labels: Mapping[str, str], content: Mapping[str, bytes], *, job_uid: str
) -> dict[str, Any]:
    """The Secret with these files. It belongs to the Job of the same name, and is deleted with it."""
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": job_uid}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "labels": dict(labels), "ownerReferences": [owner]},
        "data": {key: base64.b64encode(value).decode() for key, value in sorted(content.items())},
    }


def merge(base: Any, change: Any) -> Any:
    """`base` with the values of `change`: objects are merged, as are list items with the same name; others are added.

    The first container of `change` without a name is the workload's.
    """
    if isinstance(base, Mapping) and isinstance(change, Mapping):
        merged = dict(deepcopy(base))
        for key, value in change.items():
            merged[key] = merge(merged[key], value) if key in merged else deepcopy(value)
        return merged
    if isinstance(base, list) and isinstance(change, list):
        items = list(deepcopy(base))
        places = {item.get("name"): i for i, item in enumerate(items) if isinstance(item, Mapping)}
        for item in change:
            name = item.get("name", CONTAINER if CONTAINER in places else None) if isinstance(item, Mapping) else None
            if name is not None and name in places:
                items[places[name]] = merge(items[places[name]], item)
            else:
                items.append(deepcopy(item))
        return items
    return deepcopy(change)
