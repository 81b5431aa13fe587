"""Python cells as workloads, in a real kernel: variables in and out, errors at once, waiting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.serving import Kernel, Server, jupyter

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def kernel(tmp_path_factory) -> Iterator[Kernel]:
    with jupyter(tmp_path_factory.mktemp("server")) as server, server.kernel() as kernel:
        assert isinstance(server, Server)
        kernel.run("%load_ext jupyter_logstream\nimport threading\nx, y, lock = 3, [1, 2], threading.Lock()")
        yield kernel


def usage_error(kernel: Kernel, cell: str) -> str:
    kernel.run(cell)
    assert kernel.warned.startswith("UsageError: ")
    return kernel.warned


def test_a_python_cell_gets_variables_and_gives_its_results_when_it_is_waited_for(kernel: Kernel) -> None:
    kernel.run(
        "%%workload python --in x,y --out total,Point --as job\n"
        "import dataclasses\n\n@dataclasses.dataclass\nclass Point:\n    z: int\n\n"
        "total = x + sum(y)\nprint('sum', total)"
    )
    kernel.run("%wait job")
    assert kernel.json("[total, Point(4).z, job.text(), job.state]") == [6, 4, "sum 6\n", "succeeded"]
    assert kernel.json("job.info['call']") == "import dataclasses"


def test_the_option_wait_gives_the_results_at_the_end_of_the_cell(kernel: Kernel) -> None:
    kernel.run("%%workload python --out doubled --in x --wait\nimport asyncio\nawait asyncio.sleep(0)\ndoubled = 2 * x")
    assert kernel.json("doubled") == 6


def test_the_result_of_a_cell_is_shown_as_the_variables_that_it_gave(kernel: Kernel) -> None:
    kernel.run("%%workload python --out doubled --in x --as job --wait\ndoubled = 2 * x")
    result = kernel.json("job.info['result']")
    assert [result["type"], result["repr"]] == ["dict", "{'doubled': 6}"]


def test_variables_that_cannot_be_handed_in_are_named_before_anything_starts(kernel: Kernel) -> None:
    assert "--in cannot hand over lock: cannot pickle" in usage_error(kernel, "%%workload python --in x,lock\nlock")
    assert "--in nothing: there is no such variable" in usage_error(kernel, "%%workload python --in nothing\n1")
    assert "--in 1x is not the name" in usage_error(kernel, "%%workload python --in 1x\n1")
    assert "--in and --out are for python cells" in usage_error(kernel, "%%workload bash --in x\ntrue")


def test_results_that_cannot_be_handed_over_are_named_and_the_others_come(kernel: Kernel) -> None:
    kernel.run("%%workload python --out a,b,c --as job --wait\nimport threading\na, b = 1, threading.Lock()")
    assert kernel.json("a") == 1
    assert "b: lock cannot be pickled" in kernel.json("job.text()")
    assert "c: the cell did not set it" in kernel.json("job.text()")


def test_a_syntax_error_is_reported_in_the_notebook(kernel: Kernel) -> None:
    with pytest.raises(AssertionError, match="SyntaxError"):
        kernel.run("%%workload python\nfor")


def test_an_error_of_the_cell_shows_its_line_in_log_and_exception(kernel: Kernel) -> None:
    with pytest.raises(AssertionError, match="has not succeeded"):
        kernel.run("%%workload python --as job --wait\nvalue = 0\n1 / value")
    assert "1 / value" in kernel.json("job.text()")
    assert "line 2" in kernel.json("job.exception().__notes__[0]")
    assert "jupyter_logstream" not in kernel.json("job.text()")


def test_bash_cells_stop_at_the_first_error(kernel: Kernel) -> None:
    with pytest.raises(AssertionError, match="exit code 1"):
        kernel.run("%%workload bash --as job --wait\n[[ a == a ]] && echo begin\nfalse\necho never")
    assert kernel.json("job.text()") == "begin\n"
