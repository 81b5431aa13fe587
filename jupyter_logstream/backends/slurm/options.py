"""Options of a Slurm job: from the fields of a specification to arguments of `sbatch`. Server; no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...model.spec import SpecError, printable

OPTIONS = (
    "account", "constraint", "cpus_per_gpu", "cpus_per_task", "exclude", "exclusive", "gpus", "gpus_per_node",
    "gpus_per_task", "gres", "licenses", "mem", "mem_per_cpu", "mem_per_gpu", "nodelist", "nodes", "ntasks",
    "ntasks_per_node", "partition", "qos", "reservation", "time",
)  # fmt: skip
"""Options by the long names of `sbatch`, with `_` for `-`; besides them `sbatch`, a list of further arguments."""

# Ours: how a job is found again, and where its output goes. Arrays would run the command several times.
_RESERVED = (
    "--array", "-a", "--chdir", "-D", "--error", "-e", "--export", "--job-name", "-J", "--output", "-o", "--parsable",
    "--requeue", "--wait", "-W", "--wrap", "--test-only", "--clusters", "-M",
)  # fmt: skip


def sbatch_arguments(options: Mapping[str, Any], defaults: Mapping[str, Any]) -> list[str]:
    """The arguments for a job's options over the backend's. Raises SpecError, which names the option."""
    arguments = []
    for name, value in {**defaults, **options}.items():
        if name == "sbatch":
            continue
        field = f"options.{printable(name)}"
        if name not in OPTIONS:
            raise SpecError(field, f"is not supported: use {', '.join(OPTIONS)}, or options.sbatch")
        if value is True:
            arguments.append(f"--{name.replace('_', '-')}")
        elif isinstance(value, (str, int)) and not isinstance(value, bool):
            arguments.append(f"--{name.replace('_', '-')}={_checked(field, str(value))}")
        elif value is not None and value is not False:
            raise SpecError(field, "must be a string, a whole number or true")
    return [*arguments, *_further("sbatch", defaults), *_further("sbatch", options)]


def _further(name: str, options: Mapping[str, Any]) -> list[str]:
    given = options.get(name, [])
    field = f"options.{name}"
    if not isinstance(given, (list, tuple)) or not all(isinstance(one, str) for one in given):
        raise SpecError(field, 'must be a list of arguments, such as ["--qos=high"]')
    for one in given:
        if not one.startswith("-") or one == "--":
            raise SpecError(field, f"{printable(one)!r} must be an option, such as --qos=high")
        if any(one == bad or one.startswith((f"{bad}=", bad if len(bad) == 2 else f"{bad}=")) for bad in _RESERVED):
            raise SpecError(field, f"{printable(one)!r} is set by the backend itself, or would run the command twice")
        _checked(field, one)
    return list(given)


def _checked(field: str, text: str) -> str:
    if not text or any(ord(char) < 32 for char in text):
        raise SpecError(field, "must be one line of text")
    return text
