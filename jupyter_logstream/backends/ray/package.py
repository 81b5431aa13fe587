"""Package of a Ray job: a zip with the files that are sent along, the runner, and what it runs. Server; stdlib.

The files are at its top, so that tasks of the job can import them on all nodes. The rest is in a hidden
folder; what is secret there (the environment, the token) is for the owner of the processes only.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import zipfile
from pathlib import Path
from typing import IO

from ...wire.delivery import DialPlan
from ..archive import NAME, runner_archive
from ..protocol import CannotLaunch

BOX = ".jupyter-logstream"
MAX_BYTES = 95 << 20
"""Ray's dashboard takes requests of at most 100 MiB."""
_READ_BYTES = 1 << 20
_TIMESTAMP = (1980, 1, 1, 0, 0, 0)


def build_package(plan: DialPlan, base: Path, call: Path) -> IO[bytes]:
    """The package of a workload, as a file without a name. `base`: the folder of the files; `call`: that of a function.

    Raises CannotLaunch if it is too large for Ray, OSError.
    """
    package: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for file in plan.order.files:
            _add(archive, file.path, base / file.path, 0o755 if file.executable else 0o644)
        if plan.order.call is not None:
            _add(archive, f"{BOX}/call", call, 0o600)
        archive.writestr(_entry(f"{BOX}/{NAME}", 0o644), runner_archive())
        archive.writestr(_entry(f"{BOX}/order.json", 0o600), json.dumps(plan.to_json()))
    size = package.tell()
    if size > MAX_BYTES:
        package.close()
        raise CannotLaunch(
            None,
            f"files: packed they have {size >> 20} MiB, and Ray takes {MAX_BYTES >> 20} MiB: put large data where the "
            "cluster can read it",
        )
    package.seek(0)
    return package


def package_name(workload_id: str, package: IO[bytes]) -> str:
    """The name of a package, which contains its hash: Ray unpacks a name once per node."""
    digest = hashlib.sha256()
    while data := package.read(_READ_BYTES):
        digest.update(data)
    package.seek(0)
    return f"jupyter_logstream_{workload_id}_{digest.hexdigest()[:16]}.zip"


def _add(archive: zipfile.ZipFile, name: str, path: Path, mode: int) -> None:
    with path.open("rb") as source, archive.open(_entry(name, mode), "w", force_zip64=True) as target:
        while data := source.read(_READ_BYTES):
            target.write(data)


def _entry(name: str, mode: int) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _TIMESTAMP)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = (0o100000 | mode) << 16
    entry.create_system = 3
    return entry
