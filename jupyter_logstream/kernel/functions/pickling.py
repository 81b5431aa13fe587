"""Pickling of calls and results by value, and the explanation of what cannot be pickled. Kernel and child process.

cloudpickle pickles functions and classes of `__main__` by value, so what a notebook defines needs no module.
"""

from __future__ import annotations

import functools
import io
import pickle
import platform
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import cloudpickle

from ..errors import CannotPickle, LogStreamError

_MAX_DEPTH = 8  # of the search for what cannot be pickled
_MAX_TRIED = 200  # objects that the search tries to pickle
_MAX_ITEMS = 50  # members of one container that the search looks at

Pickled = tuple[bytes, list[memoryview]]


def dumps(value: object, by_value: Sequence[ModuleType] = ()) -> Pickled:
    """Pickle by protocol 5; large buffers (arrays) stay out of band and are not copied. Raises what pickling raises.

    `by_value`: modules whose functions and classes are pickled with their code instead of by reference.
    """
    buffers: list[pickle.PickleBuffer] = []
    with _registered(by_value), io.BytesIO() as file:
        _Pickler(file, protocol=5, buffer_callback=buffers.append).dump(value)
        return file.getvalue(), [buffer.raw() for buffer in buffers]


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc] # cloudpickle has no types
    """cloudpickle's, but code keeps the name of its file, so that tracebacks name the cell and its line."""

    def reducer_override(self, obj: Any) -> Any:
        """See pickle.Pickler."""
        if type(obj) is not CodeType:
            return super().reducer_override(obj)
        build, values = self.dispatch_table[CodeType](obj)
        return build, tuple(obj.co_filename if value == "<dynamic-code>" else value for value in values)


def versions() -> dict[str, str]:
    """What must be equal where a pickle is loaded."""
    return {"python": platform.python_version(), "cloudpickle": str(cloudpickle.__version__)}


def check_versions(header: dict[str, Any], what: str) -> None:
    """Raise LogStreamError if a pickle was made by versions that are not these. `what`: the subject of the sentence."""
    ours = versions()
    theirs = {name: str(header.get(name)) for name in ours}
    minor = {name: version.rpartition(".")[0] if name == "python" else version for name, version in theirs.items()}
    if minor["python"] != ours["python"].rpartition(".")[0] or minor["cloudpickle"] != ours["cloudpickle"]:
        raise LogStreamError(
            f"{what} was pickled by Python {theirs['python']} with cloudpickle {theirs['cloudpickle']} and cannot be "
            f"loaded by Python {ours['python']} with cloudpickle {ours['cloudpickle']}; use the same versions"
        )


def pickle_call(function: object, by_value: Sequence[ModuleType] = ()) -> Pickled:
    """`dumps` of a function. Raises CannotPickle that names the variable that cannot be pickled and the path to it."""
    try:
        return dumps(function, by_value)
    except (Exception, RecursionError) as error:
        path = _culprit(function, by_value)
        raise CannotPickle(
            f"the function cannot be sent to its own process: {path} cannot be pickled ({_brief(error)}). "
            "Create it inside the function, or pass what it is made from"
        ) from error


@contextmanager
def _registered(modules: Sequence[ModuleType]) -> Iterator[None]:
    known = cloudpickle.list_registry_pickle_by_value()
    added = [module for module in modules if module.__name__ not in known]
    try:
        for module in added:
            cloudpickle.register_pickle_by_value(module)
        yield
    finally:
        for module in added:
            with suppress(ValueError):
                cloudpickle.unregister_pickle_by_value(module)


# --- what cannot be pickled -------------------------------------------------------------------------------------------


def _culprit(function: object, by_value: Sequence[ModuleType]) -> str:
    """The path to the innermost object that cannot be pickled: `train -> closure "db" -> sqlite3.Connection`."""
    path, value, seen, tried = [_name(function)], function, {id(function)}, 0
    for _ in range(_MAX_DEPTH):
        for label, member in _members(value):
            if id(member) in seen or tried >= _MAX_TRIED:
                continue
            seen.add(id(member))
            tried += 1
            if not _can_pickle(member, by_value):
                path.append(label)
                value = member
                break
        else:
            break
    if value is not function:
        path.append(_name(value))
    return " -> ".join(path)


def _can_pickle(value: object, by_value: Sequence[ModuleType]) -> bool:
    try:
        dumps(value, by_value)
    except (Exception, RecursionError):  # noqa: BLE001 - any __reduce__ can raise anything, and that is the question
        return False
    return True


def _members(value: object) -> Iterator[tuple[str, object]]:
    """What an object refers to when it is pickled, with a label for each."""
    if isinstance(value, functools.partial):
        yield "function", value.func
        yield from ((f"argument {i + 1}", item) for i, item in enumerate(value.args))
        yield from ((f'argument "{name}"', item) for name, item in value.keywords.items())
    elif isinstance(value, MethodType):
        yield "self", value.__self__
        yield "function", value.__func__
    elif isinstance(value, FunctionType):
        yield from _variables(value)
    elif isinstance(value, dict):
        yield from ((f"[{key!r}]"[:60], item) for key, item in list(value.items())[:_MAX_ITEMS])
    elif isinstance(value, (list, tuple, set, frozenset)):
        yield from ((f"[{i}]", item) for i, item in enumerate(list(value)[:_MAX_ITEMS]))
    elif isinstance(value, type):
        yield from ((f'attribute "{name}"', item) for name, item in vars(value).items() if callable(item))
    else:
        state = getattr(value, "__dict__", None)
        if isinstance(state, dict):
            yield from ((f'attribute "{name}"', item) for name, item in list(state.items())[:_MAX_ITEMS])


def _variables(function: FunctionType) -> Iterator[tuple[str, object]]:
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
        with suppress(ValueError):  # an empty cell
            yield f'closure "{name}"', cell.cell_contents
    for name, default in {**_defaults(function), **(function.__kwdefaults__ or {})}.items():
        yield f'default of "{name}"', default
    if wrapped := getattr(function, "__wrapped__", None):
        yield "decorated function", wrapped
    for name in _global_names(function.__code__):
        if name in function.__globals__:
            yield f'global "{name}"', function.__globals__[name]


def _defaults(function: FunctionType) -> dict[str, object]:
    values = function.__defaults__ or ()
    names = function.__code__.co_varnames[: function.__code__.co_argcount]
    return dict(zip(names[len(names) - len(values) :], values))


def _global_names(code: Any) -> list[str]:
    names = list(code.co_names)
    for constant in code.co_consts:
        if hasattr(constant, "co_names"):  # a nested function
            names += _global_names(constant)
    return list(dict.fromkeys(names))


def _name(value: object) -> str:
    if isinstance(value, functools.partial):
        return _name(value.func)
    if isinstance(value, (FunctionType, MethodType, type)):
        return str(value.__qualname__).rpartition("<locals>.")[2]
    return type_name(type(value))


def type_name(kind: type) -> str:
    """The name of a type with its module, without those that everybody knows."""
    module = kind.__module__
    return kind.__qualname__ if module in {"builtins", "__main__"} else f"{module}.{kind.__qualname__}"


def _brief(error: BaseException) -> str:
    text = str(error).strip().partition("\n")[0][:200]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def own_sources(pickled: bytes) -> dict[str, list[str]]:
    """Source lines of the notebook's cells that the pickle's code comes from, for tracebacks in the child process."""
    import linecache  # noqa: PLC0415 - only here

    found: dict[str, list[str]] = {}
    for name, entry in list(linecache.cache.items()):
        is_cell = "ipykernel_" in name or name.startswith("<")
        if is_cell and len(entry) > 1 and name.encode(errors="replace") in pickled:
            found[name] = linecache.getlines(name)
    return found


def kernel_path() -> list[str]:
    """`sys.path` as the kernel has it; "" (the working directory) stays relative."""
    return [entry for entry in sys.path if isinstance(entry, str)]
