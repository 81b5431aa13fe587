"""Many functions at once, and what works inside of one."""

from __future__ import annotations

import functools
import logging
import os
import sys

import pytest
from support.by_value import by_value, square
from support.waiting import until

from jupyter_logstream import Workload, attach, gather, run, step
from jupyter_logstream.kernel.connection import call


def test_gather_returns_results_in_order_and_raises_the_first_failure_in_order() -> None:
    jobs = [run(functools.partial(square, i)) for i in range(6)]
    assert gather(jobs, 60) == [0, 1, 4, 9, 16, 25]
    jobs.insert(2, run(by_value(lambda: 1 / 0)))
    with pytest.raises(ZeroDivisionError):
        gather(jobs, 60)
    results = gather(jobs, 60, return_exceptions=True)
    assert isinstance(results.pop(2), ZeroDivisionError)
    assert results == [0, 1, 4, 9, 16, 25]


def test_inside_the_function_the_workload_steps_and_logging_work() -> None:
    @by_value
    def inside() -> tuple[str, str]:
        logging.basicConfig(level="INFO", stream=sys.stdout)
        with step("load"):
            logging.getLogger("train").info("in a step")
        return Workload.current().id, os.environ.get("MPLBACKEND", "")

    job = run(inside)
    assert job.result(60) == (job.id, "Agg")
    assert [record.step for record in job.logs(q="in a step")] == ["load"]
    assert Workload.current() is None


def test_run_again_calls_the_function_again() -> None:
    job = run(functools.partial(square, 5))
    job.result(60)
    again = call("POST", "workloads", body={"again": job.id}).json()
    assert attach(again["id"]).result(60) == 25


async def test_a_result_can_be_awaited() -> None:
    assert await run(functools.partial(square, 6)).result_async() == 36


def test_the_exit_of_the_process_waits_for_its_result() -> None:
    """Whoever sees the final state finds the result: it is written before the process exits."""
    job = run(functools.partial(square, 8))
    until(lambda: job.state == "succeeded")
    assert job.result(0) == 64
