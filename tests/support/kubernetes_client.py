"""A Kubernetes cluster as its users see it; one that is there already, such as `kind`'s. Test support.

`LOGSTREAM_TEST_CONTEXT=kind-kind make test-kubernetes` uses that context of your kubeconfig, instead of a cluster that
is built here. Its nodes need two images, one with Python and one without, which LOGSTREAM_TEST_IMAGES can name (default
there: "python:3.12 busybox:1.36"). Tests that end a cluster's daemons or share files with its node are skipped.
"""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

CONTEXT = os.environ.get("LOGSTREAM_TEST_CONTEXT", "")
HOST_NETWORK = {"spec": {"template": {"spec": {"hostNetwork": True}}}}
"""The part of a Job's manifest without which no pod starts: the node has no network for pods."""


def with_paths(*paths: Path) -> dict[str, Any]:
    """A manifest whose pod sees these folders of the node, and its processes: the contract's tests look at both."""
    if CONTEXT:
        pytest.skip("needs a node whose files are this machine's")
    names = [f"host{i}" for i in range(len(paths))]
    return {
        "spec": {
            "template": {
                "spec": {
                    "hostNetwork": True,
                    "hostPID": True,
                    "volumes": [{"name": n, "hostPath": {"path": str(p)}} for n, p in zip(names, paths, strict=True)],
                    "containers": [
                        {"volumeMounts": [{"name": n, "mountPath": str(p)} for n, p in zip(names, paths, strict=True)]}
                    ],
                }
            }
        }
    }


class Cluster:
    """`kubeconfig`: an administrator's, in a folder of its own."""

    def __init__(self, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig

    def kubectl(self, *arguments: str, stdin: str = "", check: bool = True) -> str:
        """The output of a kubectl command of the administrator."""
        command = ["kubectl", f"--kubeconfig={self.kubeconfig}", *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
        assert not check or done.returncode == 0, done.stderr
        return done.stdout

    def workloads(self) -> list[str]:
        """The Jobs and Secrets of workloads that are there."""
        return self.kubectl("get", "jobs,secrets", "-l", "jupyter-logstream/owner", "-o", "name").split()

    def limited_kubeconfig(self, service_account: str) -> Path:
        """A kubeconfig with the token of a new service account of the namespace `default`, and nothing else."""
        self.kubectl("create", "serviceaccount", service_account)
        token = self.kubectl("create", "token", service_account, check=False).strip() or self._token(service_account)
        config = json.loads(self.kubeconfig.read_text())
        config["users"][0]["user"] = {"token": token}
        path = self.kubeconfig.with_name(f"{service_account}.conf")
        path.write_text(json.dumps(config))
        return path

    def _token(self, service_account: str) -> str:
        """Of a cluster or a kubectl before 1.24."""
        read = "serviceaccount", service_account, "-o", "jsonpath={.secrets[0].name}"
        name = until(lambda: self.kubectl("get", *read))
        return self.kubectl("get", "secret", name, "-o", "go-template={{.data.token | base64decode}}")


class ExistingCluster(Cluster):
    """The cluster of CONTEXT; `folder`: for a kubeconfig that contains it alone."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "admin.conf")
        view = ["kubectl", "config", "view", f"--context={CONTEXT}", "--raw", "--minify", "--flatten", "-o", "json"]
        self.kubeconfig.write_bytes(subprocess.run(view, check=True, capture_output=True).stdout)

    def without(self, name: str) -> None:
        """Nothing of it is ended."""
        pytest.skip(f"needs a cluster whose {name} the test can end")
