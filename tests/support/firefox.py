"""A real Firefox, driven over WebDriver BiDi by puppeteer: notebooks in it as in Chromium. Test support.

Playwright drives only a Firefox of its own, which cannot be installed everywhere; Debian's is driven by node.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from support.notebook_page import STATE_AND_LINES, WALK, NotebookPage
from support.paths import ENGINE_PROGRAMS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAMES = ("firefox-esr", "firefox")
_FIRST_VIEW = "document.querySelector('[data-logstream=\"log\"]')"


def find() -> str | None:
    """The path of a Firefox, or None."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Firefox:
    """One Firefox with a profile of its own."""

    def __init__(self, path: str, folder: Path) -> None:
        script = ENGINE_PROGRAMS.parent / "firefox.mjs"
        self._log = folder / "firefox.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                ["node", str(script), path, str(folder / "profile")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )

    def call(self, operation: str, **parameters: Any) -> Any:
        """Carry out one operation of firefox.mjs and return its value."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"operation": operation, **parameters}).encode() + b"\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, self._log.read_text(errors="replace")
        answer = json.loads(line)
        assert "error" not in answer, answer["error"]
        return answer["value"]

    def tab(self) -> Tab:
        """A new tab."""
        return Tab(self, self.call("open"))

    def stop(self) -> None:
        """Close it and wait until it is gone."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()


class Tab:
    """What `NotebookPage` needs of a page of playwright."""

    def __init__(self, firefox: Firefox, number: int) -> None:
        self._firefox, self._number = firefox, number

    def _call(self, operation: str, **parameters: Any) -> Any:
        return self._firefox.call(operation, tab=self._number, **parameters)

    def goto(self, url: str) -> None:
        self._call("goto", url=url)

    def reload(self) -> None:
        self._call("reload")

    def close(self) -> None:
        self._call("close")

    def screenshot(self, path: Path) -> None:
        self._call("screenshot", path=str(path))

    def evaluate(self, source: str, arg: Any = None) -> Any:
        """The value of a JavaScript function, or of an expression."""
        is_function = "=>" in source.partition("\n")[0]
        return self._call("evaluate", source=source if is_function else f"() => {source}", value=arg)

    def wait_for_function(self, source: str, *, arg: Any = None, timeout: float = 60_000) -> None:
        """Wait until a function returns a true value; `timeout` in milliseconds."""
        deadline = time.monotonic() + timeout / 1000
        while not self.evaluate(source, arg):
            assert time.monotonic() < deadline, f"not within {timeout} ms: {source}"
            time.sleep(0.1)

    def wait_for_timeout(self, ms: float) -> None:
        time.sleep(ms / 1000)


class FirefoxNotebook(NotebookPage):
    """A notebook open in Firefox: the operations of `NotebookPage` that need no locators."""

    page: Tab  # type: ignore[assignment]

    def wait_for(self, state: str | None = None, lines: int | None = None, view: int = 0, timeout: float = 90) -> None:
        """As in NotebookPage."""
        source = f"(n) => ({STATE_AND_LINES})([...document.querySelectorAll('[data-logstream=\"log\"]')], n)"

        def is_so() -> bool:
            found = self.page.evaluate(source, view)
            return (
                found is not None
                and (state is None or found[0] == state)
                and (lines is None or int(found[1] or 0) >= lines)
            )

        self.eventually(is_so, f"{state=} {lines=}", timeout)

    @property
    def lines(self) -> int:
        """The lines that the first view reports."""
        return int(self.page.evaluate(f"() => {_FIRST_VIEW}.dataset.lines ?? 0"))

    def walk(self, view: int = 0) -> list[list[Any]]:  # noqa: ARG002 - the first one
        """As in NotebookPage."""
        found: list[list[Any]] = json.loads(self.page.evaluate(f"async () => ({WALK})({_FIRST_VIEW})"))
        return found


@contextmanager
def firefox(folder: Path) -> Iterator[Firefox]:
    """A Firefox for the time of the block."""
    path = find()
    assert path, "these tests need Firefox: `make test-engines` installs it"
    browser = Firefox(path, folder)
    try:
        yield browser
    finally:
        browser.stop()
