"""Masking of secrets in what the server shows of a workload: specification and error. Server; no I/O.

The stored specification keeps the original, since "run again" needs it. The names of steps are masked where they are
read: by the runner in output, by the publisher in published records.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..model.workload import Status, WorkloadSpec
from ..text.masking import SECRET_NAMES, Masker, secret_values


class Disclosure:
    """Makes the versions of specifications and statuses that may be shown.

    `values`: secrets of the server; `secret_names`: globs of the variables whose values are masked, as in output.
    """

    def __init__(self, values: Sequence[bytes] = (), secret_names: Sequence[str] = SECRET_NAMES) -> None:
        self._values, self._secret_names = list(values), list(secret_names)

    def masker(self, spec: WorkloadSpec) -> Masker:
        """Knows the secrets of the server and those in the workload's environment."""
        return Masker([*secret_values(spec.env, self._secret_names), *self._values])


def public_spec(spec: WorkloadSpec, masker: Masker) -> WorkloadSpec:
    """The specification without its environment and with masked command, name, folder and tags."""
    mask, command = masker.mask, spec.command
    return replace(
        spec,
        command=mask(command) if isinstance(command, str) else [mask(argument) for argument in command],
        name=mask(spec.name),
        cwd=mask(spec.cwd),
        tags={mask(name): mask(value) for name, value in spec.tags.items()},
        env={},
    )


def public_status(status: Status, masker: Masker) -> Status:
    """The status with a masked error and reason."""
    error, reason = status.error and masker.mask(status.error), masker.mask(status.reason)
    unchanged = error == status.error and reason == status.reason
    return status if unchanged else replace(status, error=error, reason=reason)
