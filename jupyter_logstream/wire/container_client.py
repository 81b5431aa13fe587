"""Client programs of container engines: commands and error texts of docker and podman. Any process; no I/O."""

from __future__ import annotations

import os

MARKER = "container"
"""The file in a workload's folder that is there while it can have a container."""

ARCHIVE = "runner.pyz"
"""The file in the folder of a function's workload that its image's interpreter runs."""

_MAX_CHARS = 400
_PREFIXES = ("docker: ", "Error response from daemon: ", "Error: ")
# Texts of Docker 20 to 28, of Docker 29, and of podman.
_NO_DAEMON = (
    "cannot connect to the docker daemon", "is the docker daemon running", "error during connect",
    "failed to connect to the docker api", "cannot connect to podman",
)  # fmt: skip
_NO_IMAGE = (
    "unable to find image", "no such image", "image not known", "pull access denied", "manifest unknown", "short-name",
    "initializing source",
)  # fmt: skip
_NO_COMMAND = ("executable file not found", "no such file or directory", "command not found")


def removal(program: str, workload_id: str) -> list[list[str]]:
    """The commands that kill the container of a workload and remove it, in order, until `is_removed`.

    Podman's `rm --force` alone would wait 10 s between TERM and KILL, and fails once if its monitor was killed.
    """
    remove = [program, "rm", "--force", "--volumes", workload_id]
    return [[program, "kill", workload_id], remove, remove] if is_podman(program) else [remove]


def is_removed(command: list[str], code: int, errors: str) -> bool:
    """Whether the container is gone after a command of `removal` ended with this code and text."""
    return command[1] == "rm" and (code == 0 or is_gone(errors))


def is_podman(program: str) -> bool:
    """Whether a client's options and answers are podman's."""
    return os.path.basename(program) == "podman"


def is_gone(errors: str) -> bool:
    """Whether the engine answered that there is no such container."""
    return "no such container" in errors.lower()


def problem(text: str, program: str, image: str, command: str = "") -> str:
    """What went wrong, from what the program wrote to standard error, and what to do about it.

    `program`: docker or podman. `command`: the first word of what was to run in the container.
    """
    low, last = text.lower(), _last_line(text)
    if "permission denied" in low and ("daemon socket" in low or "docker api" in low or ".sock" in low):
        return (
            f"this user may not use {program}'s socket: join its group (sudo usermod -aG docker $USER), log in again "
            "and restart the Jupyter server; or use podman"
        )
    if any(one in low for one in _NO_DAEMON):
        return (
            f"{program}'s daemon does not answer: start it (sudo systemctl start docker), or set DOCKER_HOST in the "
            "environment of the Jupyter server"
        )
    if any(one in low for one in _NO_IMAGE):
        return f"the image {image} is not on this machine and could not be pulled; try: {program} pull {image} ({last})"
    if "could not select device driver" in low or "unresolvable cdi" in low:
        return f"{program} has no access to GPUs: install and configure the NVIDIA Container Toolkit ({last})"
    if "docker-init" in low or "container-init" in low or "catatonit" in low:
        return f"{program} lacks its init program: install tini (docker) or catatonit (podman) ({last})"
    is_command = command and (f'"{command}"' in text or f"exec {command} failed" in text)  # the latter by tini
    if is_command and any(one in low for one in _NO_COMMAND):
        return f"{command}: command not found in the image {image}"
    if is_command and "permission denied" in low:
        return f"{command}: cannot be executed in the image {image}"
    return f"{program}: {last}" if last else f"{program} failed without a message"


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith(("Run '", "See '"))]
    last = lines[-1] if lines else ""
    for prefix in _PREFIXES:
        last = last.removeprefix(prefix)
    return last[:_MAX_CHARS]
