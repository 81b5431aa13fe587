"""Backends from configuration: `c.LogStream.backends` to a mapping of names to backends. Server; at start only."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import import_module
from subprocess import SubprocessError
from typing import Any

from ..model.protocol import EXTERNAL
from .context import BackendContext
from .docker.backend import docker_backend
from .kubernetes.backend import kubernetes_backend
from .local import LocalBackend
from .protocol import Backend
from .ray.backend import ray_backend
from .slurm.backend import slurm_backend
from .ssh import ssh_backend

DEFAULT_BACKENDS: Mapping[str, Any] = {"local": {"type": "local"}}
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


BackendFactory = Callable[..., Backend]
"""Called as `factory(name, context, **settings)`, with the other keys of the configuration entry as settings."""


def local_backend(name: str, context: BackendContext) -> Backend:
    """The factory of type "local"; it has no settings of its own."""
    backend = LocalBackend(name, context)
    with suppress(OSError, SubprocessError):  # the first launch tries again and reports the cause
        backend.prepare()
    return backend


TYPES: dict[str, BackendFactory] = {
    "docker": docker_backend,
    "kubernetes": kubernetes_backend,
    "local": local_backend,
    "ray": ray_backend,
    "slurm": slurm_backend,
    "ssh": ssh_backend,
}


def make_backends(configured: Any, context: BackendContext) -> tuple[dict[str, Backend], list[str]]:
    """The configured backends by name, and a sentence for each entry that is left out because it is invalid.

    `configured`: name -> {"type": TYPE, setting: value ...}, or name -> TYPE. TYPE is a name in TYPES, an import string
    "package.module:factory", or a BackendFactory.
    """
    if not isinstance(configured, Mapping):
        return {}, [f"c.LogStream.backends must be a dict, not {type(configured).__name__}"]
    backends: dict[str, Backend] = {}
    problems: list[str] = []
    for name, entry in configured.items():
        try:
            backends[name] = _make(name, entry, context)
        except ValueError as error:
            problems.append(f"c.LogStream.backends[{name!r}]: {error}")
    return backends, problems


def _make(name: Any, entry: Any, context: BackendContext) -> Backend:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError("a name has 1 to 64 letters, digits, - or _")
    if name == EXTERNAL:
        raise ValueError(f"the name {EXTERNAL} is reserved for workloads that run elsewhere")
    settings = dict(entry) if isinstance(entry, Mapping) else {"type": entry}
    if "type" not in settings:
        raise ValueError('the key "type" is missing')
    factory = _factory(settings.pop("type"))
    try:
        return factory(name, context, **settings)
    except TypeError as error:
        raise ValueError(f"the settings do not fit the type: {error}") from error


def _factory(kind: Any) -> BackendFactory:
    """The factory that a type means. Raises ValueError."""
    if callable(kind):
        return kind  # type: ignore[no-any-return]
    if kind in TYPES:
        return TYPES[kind]
    module, colon, attribute = str(kind).partition(":")
    if not colon:
        known = ", ".join(sorted(TYPES))
        raise ValueError(f'unknown type {kind!r}; use {known}, or an import string such as "package.module:factory"')
    try:
        factory = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"the type {kind!r} cannot be imported: {error}") from error
    if not callable(factory):
        raise ValueError(f"the type {kind!r} is not callable")  # noqa: TRY004 - a wrong setting, not a wrong argument
    return factory  # type: ignore[no-any-return]
