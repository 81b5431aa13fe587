"""Options of a Ray job: from the fields of a specification to those of a submission. Server; no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...model.spec import SpecError, printable

OPTIONS = ("env_vars", "memory", "num_cpus", "num_gpus", "pip", "resources")
_RULES = {
    "memory": "must be a whole number of bytes",
    "num_cpus": "must be 0 or more",
    "num_gpus": "must be 0 or more, and whole above 1",
}


def submission_fields(options: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Ray's `entrypoint_*` fields, and `pip` and `env_vars` for the runtime environment.

    Raises SpecError, which names the option.
    """
    fields: dict[str, Any] = {}
    for name, value in {**defaults, **options}.items():
        field = f"options.{printable(name)}"
        if name not in OPTIONS:
            raise SpecError(field, f"is not supported: use {', '.join(OPTIONS)}")
        if value is None:
            continue
        if name == "pip":
            fields[name] = _packages(field, value)
        elif name == "env_vars":
            fields[name] = _variables(field, value)
        elif name == "resources":
            fields["entrypoint_resources"] = _resources(field, value)
        elif not _is_number(value) or (value != int(value) and not _can_be_shared(name, value)):
            raise SpecError(field, _RULES[name])
        else:
            fields[f"entrypoint_{name}"] = int(value) if name == "memory" else value
    return fields


def _packages(field: str, value: Any) -> Any:
    packages = value.get("packages") if isinstance(value, Mapping) else value
    if not isinstance(packages, (list, tuple)) or not all(isinstance(one, str) and one for one in packages):
        raise SpecError(field, 'must be a list of requirements, such as ["torch==2.4"]')
    return dict(value) if isinstance(value, Mapping) else list(value)


def _variables(field: str, value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping) or not all(isinstance(one, str) for pair in value.items() for one in pair):
        raise SpecError(field, 'must be texts by name, such as {"NCCL_DEBUG": "INFO"}')
    return dict(value)


def _resources(field: str, value: Any) -> dict[str, float]:
    if not isinstance(value, Mapping) or not all(isinstance(k, str) and _is_number(v) for k, v in value.items()):
        raise SpecError(field, 'must be amounts by name, such as {"TPU": 4}')
    return dict(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < float("inf")


def _can_be_shared(name: str, value: float) -> bool:
    """Whether Ray takes a fraction: a GPU can be shared, but not one of several."""
    return name == "num_cpus" or (name == "num_gpus" and value < 1)
