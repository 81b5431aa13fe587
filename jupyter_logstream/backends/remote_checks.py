"""Self-test of a machine that workloads are delivered to: connection, Python, folder. Server; for the doctor only."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ..wire.delivery import MIN_PYTHON, Order
from .delivery import Target, deliver
from .programs import Ended
from .protocol import CannotLaunch, CannotReach, Check


async def check_target(target: Target) -> list[Check]:
    """Try to reach the machine, then to use its Python and its folder; what depends on a failed test is left out."""
    place = target.place.name
    reach = f"reach {place}"
    try:
        await target.place.connect()
    except CannotReach as error:
        advice = f"make `ssh {place} true` work without a question: the host's key must be known, your key accepted"
        return [Check(reach, ok=False, found=str(error), advice=advice)]
    checks = [Check(reach, ok=True, found="connected")]
    what = f"run {target.python} ({'.'.join(map(str, MIN_PYTHON))} or newer) and write to {target.root} there"
    try:
        listed = await deliver(target, Order("list"))
    except (CannotLaunch, CannotReach) as error:
        text = str(error.strerror if isinstance(error, CannotLaunch) else error)
        advice = "set `python` and `folder` of this backend in c.LogStream.backends"
        return [*checks, Check(what, ok=False, found=text, advice=advice)]
    await listed.pipe.close()
    return [*checks, Check(what, ok=True, found=f"{listed.answer['root']} holds {len(listed.answer['ids'])} workloads")]


async def check_slurm(command: Callable[[list[str]], Awaitable[Ended]]) -> list[Check]:
    """Try `sinfo`, `sbatch` and `srun --overlap`, in this order."""
    checks = []
    for what, argv, advice in _SLURM:
        try:
            done = await command(argv)
            found = (done.errors if done.code else done.output).strip().splitlines()
            ok = done.code == 0 and bool(found)
        except (OSError, CannotReach) as error:
            found, ok = [str(error)], False
        checks.append(Check(what, ok=ok, found=found[-1] if found else "no answer", advice="" if ok else advice))
        if not ok:
            break
    return checks


_SLURM = (
    (
        "see a partition of Slurm",
        ["sinfo", "--noheader", "--format=%P %a, %D nodes"],
        "check SLURM_CONF, and that slurmctld runs; `via` names the login node where Slurm's commands are",
    ),
    ("submit jobs with sbatch", ["sbatch", "--version"], "install Slurm's client commands there"),
    (
        "open a pipe to a job with srun --overlap",
        ["sh", "-c", "srun --help | grep -e --overlap"],
        'this Slurm is older than 20.11: set "pipe": "files" for this backend',
    ),
)
