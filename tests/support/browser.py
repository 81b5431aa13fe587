"""Which browser the tests drive, and how a machine that has none gets one. Run by pytest, and by `make test` before it.

Order: Debian's chromium, other chromiums and Chrome, then the one that playwright has downloaded.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find() -> str | None:
    """The path of a browser, or None."""
    for name in NAMES:
        if path := shutil.which(name):
            return path
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    return own if Path(own).exists() else None


def install() -> str:
    """See to it that there is a browser; raises where that cannot be done."""
    if found := find():
        return found
    if shutil.which("apt-get") and os.geteuid() == 0:
        subprocess.run(["apt-get", "update", "-q"], check=False)  # an old list may do
        subprocess.run(["apt-get", "install", "-y", "-q", "--no-install-recommends", "chromium"], check=False)
    if not find():
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=True)
    return find() or sys.exit("There is no browser, and none could be installed: the browser tests need one.")


if __name__ == "__main__":
    print(install())  # noqa: T201 - the answer
