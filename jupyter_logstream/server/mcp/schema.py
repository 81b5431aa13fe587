"""Validation of a tool's arguments against its JSON schema, of which tools use a small part. Server; no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..params import BadParameter, UnknownParameter, printable

_KINDS: Mapping[str, tuple[type | tuple[type, ...], str]] = {
    "string": (str, "a string"),
    "integer": (int, "a whole number"),
    "number": ((int, float), "a number"),
    "object": (dict, "an object"),
}


def checked(schema: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments with defaults; null means absent. Raises BadParameter, UnknownParameter; nothing is clamped."""
    properties = schema["properties"]
    for name in given:
        if name not in properties:
            raise UnknownParameter(printable(name), f"is no argument of this tool; it has {', '.join(properties)}")
    values = {name: value for name, value in given.items() if value is not None}
    for name in schema.get("required", ()):
        if name not in values:
            raise BadParameter(name, "is missing")
    defaults = {name: rule["default"] for name, rule in properties.items() if "default" in rule}
    return defaults | {name: _value(name, value, properties[name]) for name, value in values.items()}


def _value(name: str, value: Any, rule: Mapping[str, Any]) -> Any:
    kind, expected = _KINDS[rule["type"]]
    if rule["type"] == "integer" and isinstance(value, float) and value.is_integer():
        value = int(value)  # JSON has one kind of number
    if not isinstance(value, kind) or isinstance(value, bool):
        raise BadParameter(name, f"must be {expected}")
    if "enum" in rule and value not in rule["enum"]:
        raise BadParameter(name, f"must be one of {', '.join(rule['enum'])}, not {printable(str(value))}")
    if isinstance(value, str):
        least, most = rule.get("minLength", 0), rule.get("maxLength")
        if len(value) < least or (most is not None and len(value) > most):
            raise BadParameter(name, f"must have {least} to {most} characters")
    if "minimum" in rule and not rule["minimum"] <= value <= rule["maximum"]:  # false for NaN, too
        raise BadParameter(name, f"must be {rule['minimum']} to {rule['maximum']}, not {printable(str(value))}")
    return value
