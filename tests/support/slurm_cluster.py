"""A real Slurm cluster of one node on loopback: munged, slurmctld, slurmd, without systemd. Test support; root."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from support.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

PROGRAMS = ("/usr/sbin/munged", "/usr/sbin/slurmctld", "/usr/sbin/slurmd")
_CONF = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CryptoType=crypto/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobCompType=jobcomp/none
MpiDefault=none
ReturnToService=2
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=1
KillWait=2
MinJobAge=300
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=4000 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE DefMemPerCPU=100 State=UP OverTimeLimit=0
PartitionName=down Nodes={host} Default=NO MaxTime=INFINITE DefMemPerCPU=100 State=DOWN
"""


class SlurmCluster:
    """`env`: the variable with which Slurm's commands find the cluster."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.host = socket.gethostname().partition(".")[0]
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        for name in "state", "spool":
            (folder / name).mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)  # munged insists that others can reach its socket
        key = folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        (folder / "slurm.conf").write_text(
            _CONF.format(
                folder=folder, host=self.host, cpus=os.cpu_count(), controller_port=free_port(), node_port=free_port()
            )
        )

    @property
    def env(self) -> Mapping[str, str]:
        return {"SLURM_CONF": str(self.folder / "slurm.conf")}

    def start(self) -> None:
        """Start all daemons and wait until the node is idle."""
        self._run("munged", "--foreground", "--force", f"--key-file={self.folder}/munge.key",
                  f"--socket={self.folder}/munge.socket", f"--pid-file={self.folder}/munged.pid",
                  f"--log-file={self.folder}/munged.log", f"--seed-file={self.folder}/munge.seed")  # fmt: skip
        while not (self.folder / "munge.socket").exists():
            time.sleep(0.02)
        self.start_controller()
        self.start_node()
        self.wait_until_idle()

    def start_controller(self) -> None:
        self._run("slurmctld", "-D")

    def start_node(self) -> None:
        self._run("slurmd", "-D", "-N", self.host)

    def wait_until_idle(self) -> None:
        """Wait until the node can run jobs."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            state = self.command("sinfo", "-h", "-p", "main", "-o", "%T", check=False).stdout.strip()
            if state in {"idle", "mixed", "allocated"}:
                return
            time.sleep(0.1)
        logs = "\n".join(path.read_text(errors="replace")[-2000:] for path in self.folder.glob("*.log"))
        raise AssertionError(f"the node is {state!r}\n{logs}")

    def kill(self, name: str) -> None:
        """Kill a daemon, as a crash of its machine would; its jobs continue."""
        process = self._processes.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait(30)

    def end_jobs(self) -> None:
        """Cancel every job, so that the next test finds the node idle."""
        self.command("scancel", "-u", "root", check=False)

    def stop(self) -> None:
        self.end_jobs()
        for name in reversed(list(self._processes)):
            process = self._processes.pop(name)
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)

    def command(self, *argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run one of Slurm's commands."""
        return subprocess.run(
            argv, env={**os.environ, **self.env}, capture_output=True, text=True, check=check, timeout=60
        )

    def _run(self, name: str, *arguments: str) -> None:
        with (self.folder / f"{name}.out").open("ab") as out:
            self._processes[name] = subprocess.Popen(
                [f"/usr/sbin/{name}", *arguments], env={**os.environ, **self.env}, stdout=out, stderr=out,
                start_new_session=True,
            )  # fmt: skip


@contextmanager
def slurm_cluster(folder: Path) -> Iterator[SlurmCluster]:
    """A cluster for the time of the block."""
    cluster = SlurmCluster(folder)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
