"""Options of a container: from the fields of a specification to arguments of `docker create`. Server; no I/O."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ...model.spec import SpecError, printable

OPTIONS = ("args", "cpus", "gpus", "image", "memory", "network", "user", "volumes")

_IMAGE = re.compile(r"[A-Za-z0-9][\w.:/@+-]*")
# Ours: how a container is found again, where its output goes, and when it is removed.
_RESERVED = (
    "--attach", "-a", "--cidfile", "--detach", "-d", "--env", "-e", "--env-file", "--help", "--init", "--interactive",
    "-i", "--label-file", "--log-driver", "--name", "--replace", "--restart", "--rm", "--sig-proxy", "--tty", "-t",
    "--user", "-u", "--workdir", "-w",
)  # fmt: skip


def create_arguments(options: Mapping[str, Any], defaults: Mapping[str, Any], *, is_podman: bool) -> list[str]:
    """The arguments for a container's options over the backend's, without its user. Raises SpecError."""
    arguments = []
    for name, value in {**defaults, **options}.items():
        field = f"options.{printable(name)}"
        if name not in OPTIONS:
            raise SpecError(field, f"is not supported: use {', '.join(OPTIONS)}")
        if value is None or name in {"args", "image", "user"}:
            continue
        if name == "gpus":
            arguments += _gpus(field, value, is_podman=is_podman)
        elif name == "volumes":
            arguments += [f"--volume={_volume(field, one)}" for one in _list(field, value)]
        else:
            arguments.append(f"--{name}={_word(field, value)}")
    return [*arguments, *_further(defaults), *_further(options)]


def image_of(options: Mapping[str, Any], defaults: Mapping[str, Any]) -> str:
    """The image. Raises SpecError."""
    image = {**defaults, **options}.get("image")
    if not isinstance(image, str) or not _IMAGE.fullmatch(image):
        raise SpecError("options.image", 'must be the name of an image, such as "python:3.12"')
    return image


def user_arguments(options: Mapping[str, Any], defaults: Mapping[str, Any], *, is_podman: bool) -> list[str]:
    """The user in the container: this process's, so that new files are the user's; "" is the image's. SpecError.

    Its other groups come along, since a folder can be open to one of them only. Podman without root cannot add them.
    """
    user = {**defaults, **options}.get("user")
    if user is None:
        own = f"--user={os.geteuid()}:{os.getegid()}"
        if is_podman and os.geteuid():
            return ["--userns=keep-id", own]
        return [own, *(f"--group-add={group}" for group in sorted({*os.getgroups()} - {os.getegid()}))]
    return [f"--user={_word('options.user', user)}"] if user != "" else []


def _gpus(field: str, value: Any, *, is_podman: bool) -> list[str]:
    if isinstance(value, bool) or not isinstance(value, (int, str)) or (isinstance(value, int) and value < 0):
        raise SpecError(field, 'must be a number of GPUs, "all" or, for docker, a text such as "device=0,2"')
    if value == 0:
        return []
    if not is_podman:
        quoted = f'"{value}"' if "," in str(value) else value  # docker reads it as a row of CSV
        return [f"--gpus={_word(field, quoted)}"]
    names = [str(number) for number in range(value)] if isinstance(value, int) else [str(value).removeprefix("device=")]
    return [f"--device=nvidia.com/gpu={_word(field, name)}" for name in ",".join(names).split(",")]


def _volume(field: str, text: str) -> str:
    source = os.path.expanduser(text)
    if ":" not in source or source.startswith((".", ":")):
        raise SpecError(field, f'{printable(text)!r} must be "/path/here:/path/there" or ".../there:ro"')
    return _word(field, source)


def _list(field: str, value: Any) -> Sequence[str]:
    if not isinstance(value, (list, tuple)) or not all(isinstance(one, str) for one in value):
        raise SpecError(field, "must be a list of strings")
    return value


def _further(options: Mapping[str, Any]) -> list[str]:
    given = _list("options.args", options.get("args") or [])
    for one in given:
        name = one.partition("=")[0]
        if not one.startswith("-") or one == "--":
            raise SpecError("options.args", f"{printable(one)!r} must be an option in one word, such as --shm-size=8g")
        if name in _RESERVED or (one[1] != "-" and one[:2] in _RESERVED):
            raise SpecError("options.args", f"{printable(one)!r} is set by the backend itself")
        _word("options.args", one)
    return list(given)


def _word(field: str, value: Any) -> str:
    text = str(value)
    if isinstance(value, bool) or not isinstance(value, (str, int, float)) or not text or re.search(r"[\0-\x1f]", text):
        raise SpecError(field, "must be a number or one line of text")
    return text
