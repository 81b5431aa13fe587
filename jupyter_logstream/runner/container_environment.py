"""Environment of a container: variables by the client's environment or by a file, never by values in arguments. Stdlib.

Part of a container's supervisor.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ..model.protocol import CALL_VARIABLE, WORKLOAD_VARIABLE
from ..store.disk.files import replace_file

# The client itself reads these, so they reach the container by a file, which cannot hold line breaks.
_CLIENT_VARIABLES = (
    "ALL_PROXY", "BUILDAH_", "CONTAINER", "DOCKER", "GODEBUG", "GOGC", "GOMAXPROCS", "GOMEMLIMIT", "HOME", "HTTP",
    "LD_", "NO_PROXY", "OTEL_", "PATH", "REGISTRY", "SSH_", "SSL_", "STORAGE_", "TMPDIR", "XDG_",
)  # fmt: skip


@contextmanager
def variables(given: Mapping[str, str], folder: Path) -> Iterator[tuple[list[str], dict[str, str]]]:
    """The options of `create` for a command's variables, and the environment that the client then needs."""
    ours = {name: os.environ[name] for name in (WORKLOAD_VARIABLE, CALL_VARIABLE) if name in os.environ}
    # Docker's init then passes TERM to the command's whole group.
    values = {"TINI_KILL_PROCESS_GROUP": "1", **given, **ours}
    by_file = {name: value for name, value in values.items() if _is_the_clients(name) and "\n" not in value}
    by_name = {name: value for name, value in values.items() if name not in by_file}
    options, path = [f"--env={name}" for name in by_name], folder / "container.env"
    if by_file:
        text = "".join(f"{name}={value}\n" for name, value in by_file.items())
        replace_file(path, text.encode(errors="surrogateescape"))
        options.append(f"--env-file={path}")
    try:
        yield options, {**os.environ, **by_name}
    finally:
        path.unlink(missing_ok=True)


def _is_the_clients(name: str) -> bool:
    return name.upper().startswith(_CLIENT_VARIABLES)
