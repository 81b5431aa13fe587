"""Error texts of docker and podman, as sentences with advice. Server and supervisor of a container; no I/O."""

from __future__ import annotations

_MAX_CHARS = 400
_PREFIXES = ("docker: ", "Error response from daemon: ", "Error: ")
_NO_DAEMON = ("cannot connect to the docker daemon", "is the docker daemon running", "cannot connect to podman")
_NO_IMAGE = (
    "unable to find image", "no such image", "pull access denied", "manifest unknown", "short-name",
    "initializing source",
)  # fmt: skip


def problem(text: str, program: str, image: str, command: str = "") -> str:
    """What went wrong, from what the program wrote to standard error, and what to do about it.

    `program`: docker or podman. `command`: the first word of what was to run in the container.
    """
    low, last = text.lower(), _last_line(text)
    if any(one in low for one in _NO_DAEMON):
        return (
            f"{program}'s daemon does not answer: start it (sudo systemctl start docker), or set DOCKER_HOST in the "
            "environment of the Jupyter server"
        )
    if "permission denied" in low and ("daemon socket" in low or ".sock" in low):
        return (
            f"this user may not use {program}'s socket: join its group (sudo usermod -aG docker $USER), log in again "
            "and restart the Jupyter server; or use podman"
        )
    if any(one in low for one in _NO_IMAGE):
        return f"the image {image} is not on this machine and could not be pulled; try: {program} pull {image} ({last})"
    if "could not select device driver" in low or "unresolvable cdi" in low:
        return f"{program} has no access to GPUs: install and configure the NVIDIA Container Toolkit ({last})"
    if "docker-init" in low or "container-init" in low or "catatonit" in low:
        return f"{program} lacks its init program: install tini (docker) or catatonit (podman) ({last})"
    if "not found" in low and command and f'"{command}"' in text:
        return f"{command}: command not found in the image {image}"
    return f"{program}: {last}" if last else f"{program} failed without a message"


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith(("Run '", "See '"))]
    last = lines[-1] if lines else ""
    for prefix in _PREFIXES:
        last = last.removeprefix(prefix)
    return last[:_MAX_CHARS]
