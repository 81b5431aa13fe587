"""Setup of all tests: plugins, a clean environment variable, and a closing summary of what did not run."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

pytest_plugins = ["support.turns", "support.fixtures", "pytest_jupyter", "pytest_jupyter.jupyter_server"]

# Some machines set it. It would hide block buffering, and tests of live output need that.
os.environ.pop("PYTHONUNBUFFERED", None)

# No test starts a private server in the real home folder by accident.
os.environ["JUPYTER_LOGSTREAM_PRIVATE"] = "0"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name what did not run, in capitals: a skipped test must not look like a passed one."""
    reasons = Counter(str(report.longrepr[2]) for report in terminalreporter.stats.get("skipped", []))
    if reasons:
        terminalreporter.section(f"NOT RUN: {sum(reasons.values())} tests", sep="!", red=True, bold=True)
        for reason, count in reasons.most_common():
            terminalreporter.line(f"{count} x {reason.removeprefix('Skipped: ')}")
