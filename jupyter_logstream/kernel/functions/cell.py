"""A notebook cell as a workload: its Python code, the variables it gets, the results it gives. Kernel and child."""

from __future__ import annotations

import ast
import asyncio
import linecache
import sys
from collections.abc import Generator, Mapping, MutableMapping, Sequence
from inspect import CO_COROUTINE
from typing import TYPE_CHECKING, Any

from ..errors import CannotPickle
from .pickling import dumps, pickle_call

if TYPE_CHECKING:
    from typing_extensions import Self

from ..client import Workload

FILE_NAME = "<workload cell>"


class Outputs(dict[str, Any]):
    """The variables that a cell gave back, by name. `problems`: why others are missing."""

    __logstream_type__ = "dict"  # shown as its type
    problems: Mapping[str, str] = {}


class Cell:
    """The code of a cell; called in its process, it returns its Outputs.

    `inputs`: variables that it gets; `outputs`: names of the variables that it gives back. Raises SyntaxError.
    """

    def __init__(self, source: str, inputs: Mapping[str, Any], outputs: Sequence[str]) -> None:
        compile(source, FILE_NAME, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)  # a syntax error is reported in the notebook
        self.source, self.inputs, self.outputs = source, dict(inputs), list(outputs)
        first = next((line.strip() for line in source.splitlines() if line.strip()), "")
        self.__logstream_call__ = "".join(char if char.isprintable() else " " for char in first)[:100] or "cell"

    def __call__(self) -> Outputs:
        """Run the code as `__main__`. Raises what it raises."""
        lines = self.source.splitlines(keepends=True)
        linecache.cache[FILE_NAME] = len(self.source), None, lines, FILE_NAME
        namespace = sys.modules["__main__"].__dict__
        namespace.update(self.inputs)
        code = compile(self.source, FILE_NAME, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        if code.co_flags & CO_COROUTINE:
            asyncio.run(eval(code, namespace))  # noqa: S307 - the user's own code
        else:
            exec(code, namespace)  # noqa: S102 - the user's own code
        return self._collect(namespace)

    def _collect(self, namespace: Mapping[str, Any]) -> Outputs:
        values, problems = Outputs(), {}
        for name in self.outputs:
            if name not in namespace:
                problems[name] = "the cell did not set it"
                continue
            try:
                dumps(namespace[name])
            except (Exception, RecursionError) as error:  # noqa: BLE001 - any __reduce__ can raise anything
                problems[name] = f"{type(namespace[name]).__name__} cannot be pickled ({error})"
            else:
                values[name] = namespace[name]
        for name, problem in problems.items():
            print(f"--out {name}: {problem}", file=sys.stderr)  # noqa: T201 - the log of the workload
        values.problems = problems
        return values


def unpicklable(inputs: Mapping[str, Any]) -> dict[str, str]:
    """The variables that cannot be handed to another process, and why."""
    problems = {}
    for name, value in inputs.items():
        try:
            pickle_call(value)
        except CannotPickle as error:
            problems[name] = str(error.__cause__)
    return problems


class CellWorkload(Workload):
    """The handle of a cell's workload: when `wait()` or `await` returns, the results are in the namespace."""

    __slots__ = ("_names", "_namespace")

    def __init__(self, id: str, names: Sequence[str], namespace: MutableMapping[str, Any]) -> None:  # noqa: A002
        super().__init__(id)
        self._names, self._namespace = names, namespace

    def wait(self, timeout: float | None = None) -> Self:
        """See WorkloadHandle. Raises LogStreamError naming the results that the cell did not give."""
        super().wait(timeout)
        self._deliver()
        return self

    def __await__(self) -> Generator[Any, None, Self]:
        yield from super().__await__()
        self._deliver()
        return self

    def _deliver(self) -> None:
        if not self._names or self.state != "succeeded":
            return
        outcome = self._load_result()
        self._namespace.update(outcome)
        if outcome.problems:
            listed = "; ".join(f"{name}: {problem}" for name, problem in outcome.problems.items())
            print(f"Not handed over: {listed}", file=sys.stderr)  # noqa: T201 - in the cell that waits
