"""System programs that some tests drive (strace, rsync ...), and how a machine gets them. Run by `make test`.

Where one can't be installed, tests that need it do not run, and the closing summary of the run names them in capitals.
"""

from __future__ import annotations

import os
import shutil
import subprocess

PACKAGES = {
    "less": "less", "strace": "strace", "setpriv": "util-linux", "rsync": "rsync", "wget": "wget",
    "/usr/sbin/sshd": "openssh-server", "ssh": "openssh-client",
    "/usr/sbin/munged": "munge", "/usr/sbin/slurmctld": "slurmctld", "/usr/sbin/slurmd": "slurmd",
    "sbatch": "slurm-client",
}  # fmt: skip
"""Program -> its Debian package."""


def missing() -> list[str]:
    return [program for program in PACKAGES if shutil.which(program) is None]


def install() -> None:
    """Install what is missing where this user may; report what is still missing."""
    if missing() and shutil.which("apt-get") and os.geteuid() == 0:
        subprocess.run(["apt-get", "update", "-q"], check=False)  # an old list can do
        packages = [PACKAGES[program] for program in missing()]
        subprocess.run(["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages], check=False)
    for program in missing():
        print(f"{program} is missing and could not be installed: tests that need it will NOT RUN.")  # noqa: T201


if __name__ == "__main__":
    install()
