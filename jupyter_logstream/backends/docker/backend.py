"""The docker backend: workloads in containers of docker or podman on this machine. Server.

`c.LogStream.backends = {"py312": {"type": "docker", "image": "python:3.12"}}`; the other keys of an entry are the
arguments of `docker_backend`. A local runner runs the container's supervisor (`runner/container.py`), which calls the
engine's own program; so log, cancel and restart are those of the local backend.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...model.spec import SpecError, printable
from ...model.workload import WorkloadSpec
from ...store.disk.files import remove_own, replace_file
from ...store.disk.folder import Folder, RunParameters
from ...store.disk.open_below import is_below
from ...wire.container_client import ARCHIVE, MARKER, is_podman, is_removed, problem, removal
from ..archive import runner_archive
from ..environment import child_environment
from ..local import LocalBackend
from ..programs import Ended, run_program
from ..protocol import IN_KERNEL_DIRECTORY, CannotLaunch, CannotReach, Check, Handle, Sighting
from .checks import Trial, check_docker
from .options import OPTIONS, create_arguments, image_of, user_arguments

if TYPE_CHECKING:
    from ..context import BackendContext

LABEL = "jupyter-logstream"
"""Label of every container of ours."""

_ANSWER_TIMEOUT_S = 20.0  # a very busy machine is slow
_SMALL_LOG = ("--log-driver=json-file", "--log-opt=max-size=1m")  # of what the image writes before the command
_PACKAGE = str(Path(__file__).resolve().parents[3])
_BOOT = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); from jupyter_logstream.runner.container import main; "
    "sys.exit(main(sys.argv[1:]))"
)


class DockerBackend(LocalBackend):
    """See the module. `defaults`: options of each container; `python`: the image's interpreter, for functions."""

    supports = frozenset(
        {"stdin", "tty", "timeout", "call", "files", IN_KERNEL_DIRECTORY, *(f"options:{option}" for option in OPTIONS)}
    )

    def __init__(
        self, name: str, context: BackendContext, program: str, python: str, defaults: Mapping[str, Any]
    ) -> None:
        super().__init__(name, context)
        self._program, self._python, self._defaults = program, python, defaults

    def resolve(self, spec: WorkloadSpec) -> WorkloadSpec:
        """Check directory and options; the environment is the image's and `env`. Raises SpecError."""
        resolved = super().resolve(spec)
        resolved = replace(resolved, cwd=os.path.normpath(resolved.cwd))
        if ":" in resolved.cwd or resolved.cwd == "/":
            raise SpecError("cwd", f"{printable(resolved.cwd)} cannot be mounted: it must be a folder without a colon")
        if spec.files and not is_below(os.path.realpath(spec.files_from), [os.path.realpath(resolved.cwd)]):
            raise SpecError("files", f"must be below the folder that is mounted: {printable(resolved.cwd)}")
        self._arguments("ID", resolved)
        return replace(resolved, env=child_environment({}, spec.env, tty=spec.tty))

    def plan(self, spec: WorkloadSpec) -> str:
        """The command that creates and starts the container."""
        command = spec.argv if spec.call is None else [self._python, *spec.argv[1:]]
        return shlex.join([self._program, "run", *self._arguments("ID", spec), *command])

    async def launch(self, workload_id: str, spec: WorkloadSpec) -> Handle:
        """See LocalBackend. Raises CannotLaunch if the program is not installed."""
        if shutil.which(self._program) is None:
            raise CannotLaunch(None, self._missing)
        return await super().launch(workload_id, spec)

    async def watch(self, workload_id: str, handle: Handle) -> AsyncIterator[Sighting]:
        """See LocalBackend. The container of a runner that was killed is removed."""
        async for sighting in super().watch(workload_id, handle):
            if sighting.state == "lost":
                with suppress(CannotReach):
                    await self._remove(workload_id)
            yield sighting

    async def forget(self, workload_id: str, handle: Handle) -> None:  # noqa: ARG002 - its name is its id
        """Remove the container if the engine did not answer when it ended. Raises CannotReach."""
        await self._remove(workload_id)

    async def leftovers(self, known: Collection[str]) -> list[str]:
        """See HasLeftovers."""
        listed = await self._command("ps", "--all", f"--filter=label={LABEL}", "--format={{.Names}}")
        if listed.code:
            raise CannotReach(problem(listed.errors, self._engine, ""))
        names = [name for name in listed.output.split() if name not in known or self._has_ended(name)]
        return [f"container {name}" for name in names]

    async def check(self) -> list[Check]:
        """Whether logs can be stored, the program is there, its daemon answers, and a container of the image starts."""
        checks = await super().check()
        if not all(check.ok for check in checks):
            return checks
        stored = self._folders if isinstance(self._folders, Path) else self._folders.own
        with tempfile.TemporaryDirectory(prefix=".trial-", dir=stored) as folder:
            trial = Trial(Path(folder), self._options({}), self._image({}))
            return [*checks, *await check_docker(self._program, self._missing, trial, self._command)]

    # --- parts --------------------------------------------------------------------------------------------------------

    @property
    def _engine(self) -> str:
        return os.path.basename(self._program)

    @property
    def _missing(self) -> str:
        return (
            f"{self._program} is not installed here, or not in the PATH of the Jupyter server: install it, or "
            'set "program" of this backend to "docker", "podman" or a path'
        )

    def _parameters(self, folder: Folder, spec: WorkloadSpec) -> RunParameters:
        program = shutil.which(self._program) or self._program
        mounts = []
        if spec.call is not None:
            replace_file(folder.path / ARCHIVE, runner_archive(), sync=False)
            mounts = [f"--volume={folder.path}:{folder.path}"]
        supervisor = [sys.executable, "-I", "-S", "-c", _BOOT, _PACKAGE]
        arguments = [self._python, program, *mounts, *self._arguments(folder.id, spec), "--"]
        return replace(
            self._run,
            wrapper=(*supervisor, "run", str(folder.path), *arguments),
            cleanup=(*supervisor, "remove", str(folder.path), program),
        )

    def _arguments(self, workload_id: str, spec: WorkloadSpec) -> list[str]:
        """Options of a container, and its image. Raises SpecError."""
        ours = [f"--name={workload_id}", f"--label={LABEL}={workload_id}", *_SMALL_LOG]
        folder = [f"--volume={spec.cwd}:{spec.cwd}", f"--workdir={spec.cwd}"]
        return [*ours, *folder, *self._options(spec.options), self._image(spec.options)]

    def _options(self, options: Mapping[str, Any]) -> list[str]:
        of_podman = is_podman(self._program)
        user = user_arguments(options, self._defaults, is_podman=of_podman)
        return ["--init", *user, *create_arguments(options, self._defaults, is_podman=of_podman)]

    def _image(self, options: Mapping[str, Any]) -> str:
        return image_of(options, self._defaults)

    async def _remove(self, workload_id: str) -> None:
        """Remove the container, unless its runner did. Raises CannotReach."""
        marker = self._folder(workload_id).path / MARKER
        if not marker.exists():
            return
        for command in removal(self._program, workload_id):
            done = await self._command(*command[1:])
            if is_removed(command, done.code, done.errors):
                remove_own(marker)
                return
        raise CannotReach(problem(done.errors, self._engine, ""))

    def _has_ended(self, workload_id: str) -> bool:
        with suppress(OSError, ValueError):
            return self._folder(workload_id).read_status()[0].final
        return False

    async def _command(self, *arguments: str) -> Ended:
        """Run the engine's program. Raises CannotReach."""
        try:
            return await run_program([self._program, *arguments], _ANSWER_TIMEOUT_S)
        except FileNotFoundError:
            raise CannotReach(self._missing) from None
        except (OSError, TimeoutError) as error:
            raise CannotReach(str(error)) from None


def docker_backend(
    name: str,
    context: BackendContext,
    *,
    image: str | None = None,
    program: str = "docker",
    python: str = "python3",
    options: Mapping[str, Any] | None = None,
    **defaults: Any,
) -> DockerBackend:
    """The factory of type "docker". Raises ValueError.

    `image`: the image of workloads that name none. `program`: docker, podman, or a path of one. `python`: the
    interpreter in the image, for functions. `options` and the other keys: defaults of the options of each container.
    """
    if not isinstance(program, str) or not program or program.startswith("-"):
        raise ValueError('program must be "docker", "podman" or a path')
    given = {**defaults, **(options or {}), **({"image": image} if image is not None else {})}
    if image is not None:
        image_of({}, given)
    of_podman = is_podman(program)
    create_arguments({}, given, is_podman=of_podman)
    user_arguments({}, given, is_podman=of_podman)
    return DockerBackend(name, context, program, python, given)
