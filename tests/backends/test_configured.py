"""Backends from `c.LogStream.backends`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jupyter_logstream.backends.configured import DEFAULT_BACKENDS, make_backends
from jupyter_logstream.backends.context import BackendContext
from jupyter_logstream.backends.local import LocalBackend
from jupyter_logstream.store.disk.folder import RunParameters


class Other(LocalBackend):
    """A backend of another package, with a setting."""

    def __init__(self, name: str, context: BackendContext, *, queue: str = "") -> None:
        super().__init__(name, context)
        self.queue = queue


CONTEXT = BackendContext(folders=Path("/store/streams"), root=Path("/work"), run=RunParameters(grace_s=3))


def test_the_default_is_the_local_backend_with_the_servers_settings() -> None:
    backends, problems = make_backends(DEFAULT_BACKENDS, CONTEXT)
    assert (list(backends), problems) == (["local"], [])
    local = backends["local"]
    assert isinstance(local, LocalBackend)
    assert (local.name, local._root, local._run.grace_s) == ("local", Path("/work"), 3)


def test_a_type_can_be_a_class_or_an_import_string_and_gets_its_settings() -> None:
    configured = {
        "a": Other,
        "b": {"type": Other, "queue": "long"},
        "c": {"type": "jupyter_logstream.backends.configured:local_backend"},
        "d": "local",
    }
    backends, problems = make_backends(configured, CONTEXT)
    assert problems == []
    assert {name: backend.name for name, backend in backends.items()} == {name: name for name in configured}
    assert isinstance(backends["b"], Other)
    assert backends["b"].queue == "long"


@pytest.mark.parametrize(
    ("name", "entry", "problem"),
    [
        ("x", {"type": "slurp"}, "unknown type 'slurp'; use docker, kubernetes, local, ray, slurm, ssh, or an import"),
        ("x", {}, 'the key "type" is missing'),
        ("x", 5, "unknown type 5"),
        ("x", "no_such_module:Backend", "cannot be imported"),
        ("x", "jupyter_logstream.backends.local:Nothing", "cannot be imported"),
        ("x", "jupyter_logstream.backends.local:_RETRY_S", "is not callable"),
        ("x", {"type": Other, "qeue": "long"}, "the settings do not fit the type"),
        ("external", "local", "the name external is reserved"),
        ("a b", "local", "a name has 1 to 64 letters"),
        (5, "local", "a name has 1 to 64 letters"),
    ],
)
def test_an_invalid_entry_is_left_out_with_a_sentence_that_names_it(name: Any, entry: Any, problem: str) -> None:
    backends, problems = make_backends({name: entry, "good": "local"}, CONTEXT)
    assert list(backends) == ["good"]
    (sentence,) = problems
    assert sentence.startswith(f"c.LogStream.backends[{name!r}]: ")
    assert problem in sentence


def test_a_configuration_that_is_no_dict_is_reported() -> None:
    assert make_backends(["local"], CONTEXT) == ({}, ["c.LogStream.backends must be a dict, not list"])
