"""Masking of secrets in what the server shows of a workload: specification and error. Server; no I/O.

The stored specification keeps the original, since "run again" needs it. The names of steps are masked where they are
read: by the runner in output, by the publisher in published records.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from ..model.system_text import displayable
from ..model.workload import Status, WorkloadSpec
from ..text.redactor import SECRET_NAMES, Masks, Redactor, secret_values

_CACHED = 32


class Disclosure:
    """Makes the versions of specifications and statuses that may be shown.

    `values`: secrets of the server; `secret_names`: globs of the variables whose values are masked, as in output;
    `masks`: the configured ones. Bound: the redactors of _CACHED environments, which most workloads share.
    """

    def __init__(
        self, values: Sequence[bytes] = (), secret_names: Sequence[str] = SECRET_NAMES, masks: Masks | None = None
    ) -> None:
        masks = masks or Masks()
        self._secret_names = list(secret_names)
        self._known = lru_cache(_CACHED)(lambda own: Redactor([*own, *values, *masks.values], masks.patterns))

    def secrets(self, env: Mapping[str, str]) -> tuple[bytes, ...]:
        """The secrets in a workload's environment."""
        return tuple(secret_values(env, self._secret_names))

    def redactor(self, secrets: tuple[bytes, ...]) -> Redactor:
        """Knows the secrets of the server and these of a workload."""
        return self._known(secrets)


def public_spec(spec: WorkloadSpec, redactor: Redactor) -> WorkloadSpec:
    """The specification without its environment, with masked texts, all of them valid."""

    def mask(text: str) -> str:
        return displayable(redactor.mask(text))

    command = spec.command
    return replace(
        spec,
        command=mask(command) if isinstance(command, str) else [mask(argument) for argument in command],
        name=mask(spec.name),
        call=spec.call and mask(spec.call),
        cwd=mask(spec.cwd),
        tags={mask(name): mask(value) for name, value in spec.tags.items()},
        env={},
    )


def public_status(status: Status, redactor: Redactor) -> Status:
    """The status with a masked error, reason and text of a result."""
    shown: dict[str, Any] = {
        "error": status.error and displayable(redactor.mask(status.error)),
        "reason": redactor.mask(status.reason),
        "result": status.result and {**status.result, "repr": redactor.mask(str(status.result.get("repr", "")))},
    }
    return replace(status, **shown) if any(getattr(status, name) != value for name, value in shown.items()) else status
