"""A notebook as a workload: its cells run one by one, each as a step, with live output. Kernel and child process.

The only file that imports nbclient and nbformat (extra `notebook`), in the child process.
"""

# nbformat has no types:
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from jupyter_core.paths import jupyter_runtime_dir
from traitlets.config import Config

from ...text.terminal import plain_text
from ..errors import LogStreamError
from ..publish.step import step

if TYPE_CHECKING:
    from nbformat import NotebookNode

_MAX_STEP_CHARS = 80
_MAX_RUNTIME_DIR_CHARS = 50  # the names of sockets in it take 52 more, and a Unix socket's path has at most 107
_LINE_OF_CELL = re.compile(r"(?:Cell In\[\d+\]|<ipython-input-[^>]*>|Input In \[\d+\]), line (\d+)")


class CellFailed(RuntimeError):
    """A cell of a notebook raised an exception; the text names the cell, the line and the exception."""


def notebook(
    path: str | os.PathLike[str],
    parameters: Mapping[str, Any] | None = None,
    output: str | os.PathLike[str] | None = None,
    *,
    kernel_name: str | None = None,
    cell_timeout: float | None = None,
) -> NotebookCall:
    """A notebook for `run()`: `run(notebook("report.ipynb", parameters={"date": "2026-01-01"}, output="out.ipynb"))`.

    `parameters`: variables with JSON values; they are set in a new cell behind the one with the tag `parameters`, or
    at the beginning, as papermill does. `output`: where the executed notebook is written, anew after each cell, so a
    crash keeps what was done; default: the name with `-out` before `.ipynb`. `kernel_name`: default: the notebook's
    own, or python3. `cell_timeout`: seconds for one cell; default: none. Paths are relative to the kernel's working
    directory. The result is the path of the executed notebook. Raises FileNotFoundError, ValueError for parameters
    that are not JSON, and LogStreamError without the extra `notebook`.
    """
    source = os.path.abspath(os.path.expanduser(path))
    if not os.path.isfile(source):
        raise FileNotFoundError(f"there is no notebook {source}")
    target = os.path.abspath(os.path.expanduser(output)) if output else source.removesuffix(".ipynb") + "-out.ipynb"
    given = dict(parameters or {})
    for name, value in given.items():
        if not name.isidentifier():
            raise ValueError(f"parameters: {name!r} is not the name of a variable")
        _literal(name, value)
    try:
        import nbclient  # noqa: F401, PLC0415 - is it there?
    except ModuleNotFoundError:
        raise LogStreamError("notebooks need nbclient: pip install 'jupyter-logstream[notebook]'") from None
    return NotebookCall(source, given, target, kernel_name, cell_timeout)


class NotebookCall:
    """A notebook with its parameters; called in its process, it executes the cells and returns the output's path."""

    def __init__(
        self, source: str, parameters: Mapping[str, Any], output: str, kernel: str | None, timeout: float | None
    ) -> None:
        self.source, self.parameters, self.output = source, parameters, output
        self.kernel_name, self.cell_timeout = kernel, timeout
        listed = ", ".join([os.path.basename(source), *(f"{name}={value!r}" for name, value in parameters.items())])
        self.__logstream_call__ = f"notebook({listed})"

    def __call__(self) -> str:
        """Execute. Raises CellFailed."""
        import nbformat  # noqa: PLC0415 - only in the child process

        node = nbformat.read(self.source, as_version=4)
        _set_parameters(node, self.parameters)
        _execute(node, self)
        return self.output


def _set_parameters(node: NotebookNode, parameters: Mapping[str, Any]) -> None:
    """Insert the cell that sets them, and remove one of an earlier run."""
    from nbformat.v4 import new_code_cell  # noqa: PLC0415 - only in the child process

    node.cells = [cell for cell in node.cells if "injected-parameters" not in _tags(cell)]
    if not parameters:
        return
    lines = ["# Parameters", *(f"{name} = {_literal(name, value)}" for name, value in parameters.items())]
    cell = new_code_cell("\n".join(lines), metadata={"tags": ["injected-parameters"]})
    place = next((i + 1 for i, one in enumerate(node.cells) if "parameters" in _tags(one)), 0)
    node.cells.insert(place, cell)


def _tags(cell: NotebookNode) -> list[str]:
    return list(cell.metadata.get("tags", []))


def _literal(name: str, value: Any) -> str:
    """The value as Python code. Raises ValueError unless it consists of None, booleans, numbers, str, list, dict."""
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_literal(name, item) for item in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_literal(name, key)}: {_literal(name, item)}' for key, item in value.items())}}}"
    if isinstance(value, float) and (value != value or value in {float("inf"), float("-inf")}):  # noqa: PLR0124 - NaN
        return f"float('{value}')"
    if value is None or isinstance(value, (bool, int, float, str)):
        return repr(value)
    raise ValueError(
        f"parameters: {name} has a value of type {type(value).__name__}; use None, booleans, numbers, text, list, dict"
    )


def _execute(node: NotebookNode, call: NotebookCall) -> None:
    from nbclient import NotebookClient  # noqa: PLC0415 - only in the child process
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError  # noqa: PLC0415 - as above

    class Client(NotebookClient):
        """nbclient's, which writes output as it comes instead of after the cell."""

        def output(self, outs: Any, msg: Any, display_id: Any, cell_index: Any) -> Any:
            _show(msg)
            return super().output(outs, msg, display_id, cell_index)

    resources = {"metadata": {"path": os.getcwd()}}
    name = call.kernel_name or node.metadata.get("kernelspec", {}).get("name") or "python3"
    client = Client(node, timeout=call.cell_timeout, kernel_name=name, resources=resources, config=_config())
    headings = _headings(node)
    with client.setup_kernel():
        for index, cell in enumerate(node.cells):
            if cell.cell_type != "code" or not cell.source.strip():
                continue
            try:
                with step(headings[index]):
                    client.execute_cell(cell, index)
            except CellExecutionError as error:
                raise CellFailed(_problem(node, index, error)) from None
            except (CellTimeoutError, DeadKernelError) as error:
                raise CellFailed(f"cell {_number(node, index)}: {error}") from None
            finally:
                _save(node, call.output)
    _save(node, call.output)


def _config() -> Config:
    """The kernel by Unix sockets, which only this user can open, where their paths are not too long for the system."""
    is_short = len(jupyter_runtime_dir()) <= _MAX_RUNTIME_DIR_CHARS
    return Config({"KernelManager": {"transport": "ipc"}} if is_short else {})


def _show(message: Mapping[str, Any]) -> None:
    """Write one output message of the kernel to our own output, unchanged, so that progress bars stay intact."""
    kind, content = message["msg_type"], message["content"]
    if kind == "stream":
        out = sys.stderr if content["name"] == "stderr" else sys.stdout
        out.write(content["text"])
    elif kind in {"display_data", "execute_result"}:
        out = sys.stdout
        data = content["data"]
        kinds = ", ".join(name for name in data if name != "text/plain")
        text = data.get("text/plain", "")
        out.write(f"{text}{f'  ({kinds}: see the executed notebook)' if kinds else ''}\n")
    elif kind == "error":
        out = sys.stderr
        out.write("\n".join(content["traceback"]) + "\n")
    else:
        return
    out.flush()


def _headings(node: NotebookNode) -> dict[int, str]:
    """The name of each code cell's step: its number, and its first comment, the heading above it, or its first line."""
    names: dict[int, str] = {}
    heading, number = "", 0
    for index, cell in enumerate(node.cells):
        lines = [line.strip() for line in cell.source.splitlines() if line.strip()]
        if cell.cell_type == "markdown":
            heading = next((line.lstrip("# ") for line in lines if line.startswith("#")), heading)
        elif cell.cell_type == "code" and lines:
            number += 1
            comment = lines[0].lstrip("# ") if lines[0].startswith("#") and not lines[0].startswith("#!") else ""
            names[index] = f"{number} {comment or heading or lines[0]}"[:_MAX_STEP_CHARS]
            heading = ""
    return names


def _number(node: NotebookNode, index: int) -> int:
    """The number of a code cell, as a reader counts them."""
    return sum(1 for cell in node.cells[: index + 1] if cell.cell_type == "code" and cell.source.strip())


def _problem(node: NotebookNode, index: int, error: Any) -> str:
    trace = plain_text(getattr(error, "traceback", ""))
    lines = _LINE_OF_CELL.findall(trace)
    where = f"cell {_number(node, index)}" + (f", line {lines[0]}" if lines else "")
    return f"{where}: {error.ename}: {error.evalue}"


def _save(node: NotebookNode, path: str) -> None:
    """Replace the output file atomically. A failure does not end the run before the last cell."""
    import nbformat  # noqa: PLC0415 - only in the child process

    draft = f"{path}.part"
    with suppress(FileNotFoundError):
        os.unlink(draft)
    nbformat.write(node, draft)
    os.replace(draft, path)
