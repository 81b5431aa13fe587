"""The daemons of Kubernetes, built once from Debian's source package, since no registry has them. Test support; root.

It takes about six minutes on two cores; the result stays in the cache folder.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from support.container_images import cache_folder

VERSION = "1.20.2"
NAMES = ("kube-apiserver", "kube-scheduler", "kube-controller-manager", "kubelet")
PACKAGES = (
    "golang-go", "golang-github-modern-go-reflect2-dev", "etcd-server", "docker.io", "debootstrap", "busybox-static",
    "rsync", "make", "gcc", "libc6-dev", "iproute2", "openssl",
)  # fmt: skip
_KUBECTL = "kubernetes-client"  # cannot be installed beside the kubectl of another package
_REFLECT2 = "vendor/github.com/modern-go/reflect2"
_BUILD_INFO = f"KUBE_GIT_COMMIT='0'\nKUBE_GIT_TREE_STATE='clean'\nKUBE_GIT_VERSION='v{VERSION}'\n"
_BUILD_INFO += "KUBE_GIT_MAJOR='1'\nKUBE_GIT_MINOR='20'\n"


def binaries() -> Path:
    """The folder of the daemons. AssertionError if they are not built."""
    folder = cache_folder() / f"kubernetes-{VERSION}"
    missing = [name for name in NAMES if not (folder / name).exists()]
    assert not missing, f"{', '.join(missing)}: not built; `make test-kubernetes` builds them"
    return folder


def build() -> None:
    """Install what the build and the cluster need, and build the daemons unless they are there."""
    folder = cache_folder() / f"kubernetes-{VERSION}"
    if all((folder / name).exists() for name in NAMES) or os.environ.get("LOGSTREAM_TEST_CONTEXT"):
        return
    subprocess.run(["apt-get", "update", "-q"], check=False)  # an old list can do
    packages = [*PACKAGES, *([] if shutil.which("kubectl") else [_KUBECTL])]
    subprocess.run(["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages], check=True)
    with tempfile.TemporaryDirectory() as made:
        source = _unpack(Path(made))
        _replace_reflect2(source)
        (source / "version").write_text(_BUILD_INFO)
        what = " ".join(f"cmd/{name}" for name in NAMES)
        settings = [f"WHAT={what}", f"KUBE_GIT_VERSION_FILE={source}/version", "GOFLAGS=-mod=vendor", "GOPROXY=off"]
        subprocess.run(["make", *settings], cwd=source, check=True)
        folder.mkdir(exist_ok=True)
        for name in NAMES:
            shutil.copy(source / "_output" / "bin" / name, folder / f"{name}.part")
            (folder / f"{name}.part").rename(folder / name)


def _unpack(folder: Path) -> Path:
    """Download the source package, by lists of sources that do not change the machine's own."""
    sources = folder / "sources.list"
    sources.write_text("".join(f"deb-src {uri} bookworm main\n" for uri in _mirrors()))
    lists = folder / "lists"
    (lists / "partial").mkdir(parents=True)
    options = [
        "-o",
        f"Dir::Etc::sourcelist={sources}",
        "-o",
        "Dir::Etc::sourceparts=-",
        "-o",
        f"Dir::State::lists={lists}",
    ]
    subprocess.run(["apt-get", *options, "update", "-q"], check=True)
    subprocess.run(["apt-get", *options, "source", "--download-only", "kubernetes"], cwd=folder, check=True)
    (archive,) = folder.glob("kubernetes_*.orig.tar.*")
    source = folder / "source"
    source.mkdir()
    subprocess.run(["tar", "-xf", str(archive), "-C", str(source), "--strip-components=1"], check=True)
    return source


def _mirrors() -> list[str]:
    """The mirrors of Debian that this machine uses."""
    found = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)"], capture_output=True, text=True, check=True
    )
    return sorted({line for line in found.stdout.split() if line.rstrip("/").endswith("/debian")})


def _replace_reflect2(source: Path) -> None:
    """The vendored version crashes with Go 1.18 and later; Debian's package of it does not."""
    (newer,) = Path("/usr/share/gocode/src").glob("**/modern-go/reflect2")
    target = source / _REFLECT2
    for old in [*target.glob("*.go"), *target.glob("*.s")]:
        old.unlink()
    for new in [*newer.glob("*.go"), *newer.glob("*.s")]:
        if not new.name.endswith("_test.go"):
            shutil.copy(new, target)


if __name__ == "__main__":
    sys.exit(build())
