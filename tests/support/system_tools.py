"""System programs that some tests drive (strace, rsync ...), and how a machine gets them. Run by `make`.

Where one can't be installed, tests that need it do not run, and the closing summary of the run names them in capitals.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping

PACKAGES = {
    "less": "less", "strace": "strace", "setpriv": "util-linux", "rsync": "rsync", "wget": "wget",
    "/usr/sbin/sshd": "openssh-server", "ssh": "openssh-client",
    "/usr/sbin/munged": "munge", "/usr/sbin/slurmctld": "slurmctld", "/usr/sbin/slurmd": "slurmd",
    "sbatch": "slurm-client", "/usr/sbin/logrotate": "logrotate",
}  # fmt: skip
"""Program -> its Debian package."""

ENGINES = {
    "dockerd": "docker.io", "podman": "podman", "catatonit": "catatonit", "busybox": "busybox-static",
    "docker-registry": "docker-registry",
    "openssl": "openssl", "/usr/sbin/nginx": "nginx-light", "firefox-esr": "firefox-esr",
}  # fmt: skip
"""The same, of programs that only `make test-engines` needs."""


def missing(wanted: Mapping[str, str] = PACKAGES) -> list[str]:
    return [program for program in wanted if shutil.which(program) is None]


def install(wanted: Mapping[str, str]) -> None:
    """Install what is missing where this user may; report what is still missing."""
    if missing(wanted) and shutil.which("apt-get") and os.geteuid() == 0:
        subprocess.run(["apt-get", "update", "-q"], check=False)  # an old list can do
        packages = [wanted[program] for program in missing(wanted)]
        subprocess.run(["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages], check=False)
    for program in missing(wanted):
        print(f"{program} is missing and could not be installed: tests that need it will NOT RUN.")  # noqa: T201


if __name__ == "__main__":
    install(ENGINES if "engines" in sys.argv[1:] else PACKAGES)
