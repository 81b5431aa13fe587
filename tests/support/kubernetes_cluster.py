"""A real Kubernetes cluster of one node in a network namespace of its own. Test support; root.

etcd, API server, controllers, scheduler, kubelet and Docker, all as processes of this machine. Pods have no network of
their own, so they need `hostNetwork: true`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from support.container_images import PAUSE_IMAGE, import_images
from support.kubernetes_build import binaries
from support.kubernetes_client import Cluster

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAMS = ("etcd", "dockerd", "docker", "containerd", "runc", "nsenter", "ip", "openssl", "kubectl")
NODE = "node1"
_HOST_ADDRESS, _ADDRESS = "10.213.77.1", "10.213.77.2"
API_SERVER = f"{_ADDRESS}:6443"
_START_TIMEOUT_S = 120.0
_GATES = "--feature-gates=TTLAfterFinished=true"
"""On by default since Kubernetes 1.21."""
_SETTINGS = ("kernel/panic", "kernel/panic_on_oops", "vm/overcommit_memory", "vm/panic_on_oom")
"""Of the machine's kernel; the kubelet changes them."""
# Without CAP_SYS_RESOURCE no process can get a lower out-of-memory score than its parent's.
_RUNC = """#!/bin/sh
for one in "$@"; do [ "$before" = --bundle ] && bundle=$one; before=$one; done
config=${bundle:+$bundle/config.json}
[ -f "$config" ] && sed -i 's/"oomScoreAdj":-[0-9]*/"oomScoreAdj":0/' "$config"
exec runc "$@"
"""
_KUBELET = {
    "kind": "KubeletConfiguration",
    "apiVersion": "kubelet.config.k8s.io/v1beta1",
    "authentication": {"anonymous": {"enabled": False}, "webhook": {"enabled": False}},
    "authorization": {"mode": "AlwaysAllow"},
    "cgroupDriver": "cgroupfs",
    "enforceNodeAllocatable": [],
    "failSwapOn": False,
    "address": _ADDRESS,
    "healthzPort": 0,
    "nodeStatusUpdateFrequency": "2s",
    "volumeStatsAggPeriod": "2s",
    "evictionHard": {"memory.available": "1Mi", "nodefs.available": "0%", "imagefs.available": "0%"},
    "imageGCHighThresholdPercent": 100,
    "imageGCLowThresholdPercent": 99,
}


class KubernetesCluster(Cluster):
    """One node, whose files and processes are this machine's."""

    def __init__(self, folder: Path, programs: Path) -> None:
        super().__init__(folder / "admin.conf")
        self.folder, self._programs = folder, programs
        self._namespace = f"jlsk{os.getpid()}"
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._before = {name: Path("/proc/sys", name).read_text() for name in _SETTINGS}
        self._docker_socket = folder / "docker.sock"

    # --- what tests do ------------------------------------------------------------------------------------------------

    def start(self, name: str) -> None:
        """Start one daemon (again): etcd, kube-apiserver, kube-controller-manager, kube-scheduler, dockerd, kubelet."""
        log = (self.folder / f"{name}.log").open("ab")
        inside = ["nsenter", f"--net=/run/netns/{self._namespace}", *self._command(name)]
        env = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
        self._processes[name] = subprocess.Popen(inside, stdout=log, stderr=log, env=env, start_new_session=True)
        log.close()

    def kill(self, name: str) -> None:
        """Kill one daemon with SIGKILL."""
        process = self._processes.pop(name)
        process.kill()
        process.wait()

    @contextmanager
    def without(self, name: str) -> Iterator[None]:
        """One daemon is killed at the begin of the block, and started again at its end."""
        self.kill(name)
        try:
            yield
        finally:
            self.start(name)

    def log(self, name: str) -> str:
        """The end of a daemon's log."""
        return (self.folder / f"{name}.log").read_text(errors="replace")[-3000:]

    def ready(self) -> None:
        """Wait until the node is ready for pods."""
        self._until("the node is ready", lambda: " True" in self._ready_condition())

    # --- parts --------------------------------------------------------------------------------------------------------

    def set_up(self) -> None:
        """Start everything and wait until pods can run."""
        (self.folder / "runc").write_text(_RUNC)
        (self.folder / "runc").chmod(0o755)
        self._make_network()
        self._make_certificates()
        for name, user in ("admin", "admin"), ("kubelet", "kubelet"):
            (self.folder / f"{name}.conf").write_text(json.dumps(self._kubeconfig(user)))
        kubelet = {**_KUBELET, "tlsCertFile": self._file("api.crt"), "tlsPrivateKeyFile": self._file("api.key")}
        kubelet["authentication"] = {**_KUBELET["authentication"], "x509": {"clientCAFile": self._file("ca.crt")}}  # type: ignore[dict-item]
        (self.folder / "kubelet.yaml").write_text(json.dumps(kubelet))
        self.start("etcd")
        self.start("dockerd")
        self._until("Docker answers", lambda: self._docker("info").returncode == 0)
        self.start("kube-apiserver")
        import_images(["docker", "-H", f"unix://{self._docker_socket}"])
        self._until("the API server answers", lambda: self.kubectl("get", "--raw=/readyz", check=False) == "ok")
        for name in "kube-controller-manager", "kube-scheduler", "kubelet":
            self.start(name)
        self.ready()
        self._until("a service account", lambda: bool(self.kubectl("get", "sa", "default", "-o", "name", check=False)))

    def tear_down(self) -> None:
        """End everything that was started, and put back the machine's settings."""
        with suppress(AssertionError, subprocess.SubprocessError):
            self.kubectl(
                "delete", "jobs,pods", "--all", "--all-namespaces", "--grace-period=0", "--force", "--wait=false"
            )
        for name in "kubelet", "kube-scheduler", "kube-controller-manager":
            if name in self._processes:
                self.kill(name)
        containers = self._docker("ps", "-aq").stdout.decode().split()
        if containers:
            self._docker("rm", "-f", *containers)
        for process in self._processes.values():
            process.send_signal(signal.SIGTERM)
        for process in self._processes.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(20)
            process.kill()
        for mount in re.findall(
            rf"^\S+ ({re.escape(str(self.folder))}\S*)", Path("/proc/mounts").read_text(), re.MULTILINE
        ):
            subprocess.run(["umount", "-l", mount], check=False, capture_output=True)
        subprocess.run(["ip", "netns", "delete", self._namespace], check=False, capture_output=True)
        for name, value in self._before.items():
            with suppress(OSError):
                Path("/proc/sys", name).write_text(value)

    def _command(self, name: str) -> list[str]:
        program = str(self._programs / name)
        pki = [f"--client-ca-file={self._file('ca.crt')}", f"--tls-cert-file={self._file('api.crt')}"]
        admin = f"--kubeconfig={self.kubeconfig}"
        return {
            "etcd": [
                "etcd", f"--data-dir={self._file('etcd')}", "--listen-client-urls=http://127.0.0.1:2379",
                "--advertise-client-urls=http://127.0.0.1:2379", "--listen-peer-urls=http://127.0.0.1:2380",
            ],
            "dockerd": [
                "dockerd", f"--data-root={self._file('docker')}", f"--exec-root={self._file('exec')}",
                f"--pidfile={self._file('docker.pid')}", f"--host=unix://{self._docker_socket}", "--iptables=false",
                "--ip6tables=false", "--bridge=none", "--exec-opt=native.cgroupdriver=cgroupfs", "--ip-forward=false",
                f"--add-runtime=wrapped={self._file('runc')}", "--default-runtime=wrapped", "--live-restore",
            ],
            "kube-apiserver": [
                program, "--etcd-servers=http://127.0.0.1:2379", f"--bind-address={_ADDRESS}", "--secure-port=6443",
                f"--advertise-address={_ADDRESS}", "--service-cluster-ip-range=10.213.78.0/24", *pki,
                f"--tls-private-key-file={self._file('api.key')}", "--authorization-mode=Node,RBAC",
                "--allow-privileged=true", "--kubelet-preferred-address-types=InternalIP",
                "--service-account-issuer=https://kubernetes.default.svc",
                f"--service-account-key-file={self._file('sa.key')}",
                f"--service-account-signing-key-file={self._file('sa.key')}",
                f"--kubelet-client-certificate={self._file('admin.crt')}",
                f"--kubelet-client-key={self._file('admin.key')}", "--default-not-ready-toleration-seconds=5",
                "--default-unreachable-toleration-seconds=5", "--event-ttl=10m", _GATES,
            ],
            "kube-controller-manager": [
                program, admin, f"--service-account-private-key-file={self._file('sa.key')}",
                f"--root-ca-file={self._file('ca.crt')}", "--leader-elect=false", "--node-monitor-period=2s",
                "--node-monitor-grace-period=8s", "--use-service-account-credentials=true", _GATES,
            ],
            "kube-scheduler": [program, admin, "--leader-elect=false"],
            "kubelet": [
                program, f"--kubeconfig={self._file('kubelet.conf')}", f"--config={self._file('kubelet.yaml')}",
                f"--docker=unix://{self._docker_socket}",  # for the volumes' sizes, by which it evicts
                f"--root-dir={self._file('kubelet')}", f"--docker-endpoint=unix://{self._docker_socket}",
                f"--hostname-override={NODE}", f"--node-ip={_ADDRESS}", f"--pod-infra-container-image={PAUSE_IMAGE}",
                f"--cert-dir={self._file('kubelet-pki')}",
            ],
        }[name]  # fmt: skip

    def _make_network(self) -> None:
        inside = ["ip", "-n", self._namespace]
        outer, inner = f"{self._namespace[:12]}a", f"{self._namespace[:12]}b"
        for command in (
            ["ip", "netns", "add", self._namespace],
            ["ip", "link", "add", outer, "type", "veth", "peer", "name", inner, "netns", self._namespace],
            ["ip", "addr", "add", f"{_HOST_ADDRESS}/30", "dev", outer],
            ["ip", "link", "set", outer, "up"],
            [*inside, "addr", "add", f"{_ADDRESS}/30", "dev", inner],
            [*inside, "link", "set", inner, "up"],
            [*inside, "link", "set", "lo", "up"],
            [*inside, "route", "add", "default", "via", _HOST_ADDRESS],
        ):
            subprocess.run(command, check=True, capture_output=True)

    def _make_certificates(self) -> None:
        self._openssl("genrsa -out sa.key 2048")
        self._openssl("req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=ca -keyout ca.key -out ca.crt")
        names = f"IP:{_ADDRESS},IP:127.0.0.1,IP:10.213.78.1,DNS:kubernetes.default.svc,DNS:{NODE}"
        (self.folder / "names").write_text(f"subjectAltName={names}\n")
        for name, subject in (
            ("api", "/CN=kubernetes"),
            ("admin", "/O=system:masters/CN=admin"),
            ("kubelet", f"/O=system:nodes/CN=system:node:{NODE}"),
        ):
            self._openssl(f"req -newkey rsa:2048 -nodes -subj {subject} -keyout {name}.key -out {name}.csr")
            sign = f"x509 -req -in {name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial"
            self._openssl(f"{sign} -days 2 -extfile names -out {name}.crt")

    def _openssl(self, arguments: str) -> None:
        subprocess.run(["openssl", *arguments.split()], cwd=self.folder, check=True, capture_output=True)

    def _kubeconfig(self, user: str) -> dict[str, object]:
        cluster = {"server": f"https://{API_SERVER}", "certificate-authority": self._file("ca.crt")}
        login = {"client-certificate": self._file(f"{user}.crt"), "client-key": self._file(f"{user}.key")}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "tests", "cluster": cluster}],
            "users": [{"name": user, "user": login}],
            "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": user}}],
            "current-context": "tests",
        }

    def _file(self, name: str) -> str:
        return str(self.folder / name)

    def _docker(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        command = ["docker", "-H", f"unix://{self._docker_socket}", *arguments]
        return subprocess.run(command, capture_output=True, check=False)

    def _ready_condition(self) -> str:
        path = 'jsonpath={range .status.conditions[?(@.type=="Ready")]} {.status}{end}'
        return self.kubectl("get", "node", NODE, "-o", path, check=False)

    def _until(self, what: str, true: object) -> None:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not true():  # type: ignore[operator]
            for name, process in self._processes.items():
                assert process.poll() is None, f"{name} has ended:\n{self.log(name)}"
            assert time.monotonic() < deadline, f"not within {_START_TIMEOUT_S} s: {what}\n" + self.log("kubelet")
            time.sleep(0.2)


@contextmanager
def kubernetes_cluster(folder: Path) -> Iterator[KubernetesCluster]:
    """A cluster for the time of the block."""
    cluster = KubernetesCluster(folder, binaries())
    try:
        cluster.set_up()
        yield cluster
    finally:
        cluster.tear_down()
        shutil.rmtree(folder, ignore_errors=True)
