"""Options of the extension as the command line gives them."""

from __future__ import annotations

import warnings

import pytest
from traitlets.config.loader import DeferredConfigString

from jupyter_logstream.server.extension import LogStream


@pytest.mark.parametrize("name", ["backends", "upstreams", "otlp_headers", "otlp_resource"])
def test_a_mapping_on_the_command_line_is_read_without_printing_its_secrets(name: str) -> None:
    """traitlets warns at such values and repeats them."""
    given = DeferredConfigString("{'one': {'Authorization': 'Bearer secret'}}")
    with warnings.catch_warnings(record=True) as printed:
        warnings.simplefilter("always")
        value = given.get_value(LogStream.class_traits()[name])
    assert printed == []
    assert value == {"one": {"Authorization": "Bearer secret"}}


def test_a_mapping_can_also_be_given_as_key_and_value() -> None:
    assert DeferredConfigString("a=b").get_value(LogStream.class_traits()["otlp_resource"]) == {"a": "b"}
