"""Real programs on a terminal and on a pipe: their records are what a terminal emulator (pyte) shows of their bytes."""

from __future__ import annotations

import functools
import http.server
import random
import re
import shutil
import subprocess
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pyte
import pytest
from support.programs import PYTHON

from jupyter_logstream.text.terminal import without_styles

if TYPE_CHECKING:
    from support.running import Bench

REMNANT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffd]|\\[\\?25|\\[[0-9;]*m|\\]8;|\\]9;4")

TQDM = """
import sys, time
from tqdm import tqdm
for i in tqdm(range(300), desc="load", file=sys.stdout): time.sleep(0.002)
tqdm.write("saved model.pt", file=sys.stdout)
for i in tqdm(range(40), desc="漢字", ncols=80, file=sys.stdout): time.sleep(0.01)
"""
TQDM_NESTED = """
import sys, time
from tqdm import trange
for i in trange(3, desc="epochs", file=sys.stdout):
    for j in trange(20, desc=f"batch {i}", leave=False, file=sys.stdout): time.sleep(0.01)
"""
RICH = """
import time
from rich.console import Console
from rich.progress import Progress, track
console = Console(force_terminal=True, width=100)
console.print("[bold red]error[/] [link=https://example.test/a]report[/link] 漢字 :rocket:")
for _ in track(range(50), description="work", console=console): time.sleep(0.01)
console.print({"a": 1, "b": [True, None]})
"""
RICH_TASKS = """
import time
from rich.console import Console
from rich.progress import Progress
with Progress(console=Console(force_terminal=True, width=100), refresh_per_second=20) as progress:
    tasks = [progress.add_task(name, total=30) for name in ("one", "two", "three")]
    for _ in range(30):
        for task in tasks: progress.advance(task)
        time.sleep(0.02)
    progress.console.print("checkpoint saved")
"""
ALIVE = """
import time
from alive_progress import alive_bar
with alive_bar(100, force_tty=True, title="train") as bar:
    for i in range(100):
        bar(); time.sleep(0.005)
        if i == 50: print("saved ckpt-50.pt")
"""
KERAS = """
import sys, time
for epoch in (1, 2):
    print(f"Epoch {epoch}/2")
    for step in range(1, 21):
        bar = "━" * step + " " * (20 - step)
        sys.stdout.write("\\b" * 80 + f"\\r\\x1b[1m{step}/20\\x1b[0m \\x1b[32m{bar}\\x1b[0m ")
        sys.stdout.write(f"\\x1b[1m{20 - step}s\\x1b[0m 9ms/step - loss: 0.{step:04}")
        sys.stdout.flush(); time.sleep(0.002)
    sys.stdout.write("\\n")
"""
PYTEST = """
import pytest
@pytest.mark.parametrize("n", range(120))
def test_number(n): assert n != 77, "seventy-seven"
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server of files: random bytes, and a wheel of 3 MB."""
    folder = tmp_path_factory.mktemp("site")
    data = random.Random(1).randbytes(3_000_000)
    (folder / "data.bin").write_bytes(data)
    with zipfile.ZipFile(folder / "demo_wheel-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("demo_wheel.bin", data)
        wheel.writestr("demo_wheel-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: demo-wheel\nVersion: 1.0\n")
        wheel.writestr("demo_wheel-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr("demo_wheel-1.0.dist-info/RECORD", "")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def git(folder: Path) -> list[str]:
    source = folder / "source"
    source.mkdir()
    for i in range(300):
        (source / f"file{i}.txt").write_text(f"text {i}\n" * 50)
    for arguments in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x"],
    ):
        subprocess.run(["git", *arguments], cwd=source, check=True)
    return ["git", "clone", "--progress", "--no-local", str(source), str(folder / "clone")]


def rsync(folder: Path) -> list[str]:
    source = folder / "source"
    source.mkdir()
    for i in range(50):
        (source / f"file{i}.bin").write_bytes(random.Random(i).randbytes(100_000))
    return ["rsync", "--info=progress2", "-a", f"{source}/", str(folder / "copy")]


def npm(folder: Path) -> list[str]:
    package = folder / "package"
    package.mkdir()
    (package / "package.json").write_text('{"name": "demo", "version": "1.0.0"}')
    return ["npm", "pack", "--pack-destination", str(folder), str(package)]


def script(source: str) -> Callable[[Path, str], list[str]]:
    return lambda _folder, _site: [PYTHON, "-c", source]


def pytest_run(folder: Path, _site: str) -> list[str]:
    (folder / "test_numbers.py").write_text(PYTEST)
    return [PYTHON, "-m", "pytest", "-p", "no:cacheprovider", "--color=yes", "-n0", str(folder / "test_numbers.py")]


def pip(folder: Path, site: str) -> list[str]:
    options = ["--no-deps", "--no-index", "--no-cache-dir", "--disable-pip-version-check", "-d", str(folder)]
    return [
        PYTHON,
        "-m",
        "pip",
        "download",
        *options,
        "--trusted-host",
        "127.0.0.1",
        f"{site}demo_wheel-1.0-py3-none-any.whl",
    ]


ONE_ROW: dict[str, Callable[[Path, str], list[str]]] = {
    "tqdm": script(TQDM),
    "rich": script(RICH),
    "alive-progress": script(ALIVE),
    "keras": script(KERAS),
    "pytest": pytest_run,
    "pip": pip,
    "git": lambda folder, _: git(folder),
}
OPTIONAL = {
    "npm": lambda folder, _: npm(folder),
    "wget": lambda _, site: ["wget", "--progress=bar:force", "-O", "/dev/null", f"{site}data.bin"],
    "curl": lambda _, site: ["curl", "-#", "-o", "/dev/null", f"{site}data.bin"],
    "rsync": lambda folder, _: rsync(folder),
}
ONE_ROW.update({name: command for name, command in OPTIONAL.items() if shutil.which(name)})
SEVERAL_ROWS = {"tqdm-nested": script(TQDM_NESTED), "rich-tasks": script(RICH_TASKS)}


def shown(data: bytes) -> list[str]:
    """The rows that a terminal shows of some output, without blanks at their ends."""
    screen = pyte.Screen(300, 250)
    stream = pyte.ByteStream(screen)
    stream.feed(data.replace(b"\n", b"\r\n"))
    rows = [row.rstrip() for row in screen.display]
    while rows and not rows[-1]:
        rows.pop()
    return rows


@pytest.mark.parametrize("tty", [True, False], ids=["terminal", "pipe"])
@pytest.mark.parametrize("name", ONE_ROW)
async def test_records_are_the_rows_that_a_terminal_shows(
    bench: Bench, tmp_path: Path, site: str, name: str, tty: bool
) -> None:
    job = await bench.run(ONE_ROW[name](tmp_path, site), tty=tty, cwd=str(tmp_path))
    wrote = 0
    for source in ("stdout", "stderr"):
        texts = [without_styles(text) for text in job.lines(source)]
        assert not [text for text in texts if REMNANT.search(text)]
        while texts and not texts[-1].strip():
            texts.pop()
        assert [text.expandtabs().rstrip() for text in texts] == shown(job.bytes(source))
        wrote += len(texts)
    assert wrote


@pytest.mark.parametrize("name", SEVERAL_ROWS)
async def test_redraws_of_several_rows_end_with_what_a_terminal_shows(
    bench: Bench, tmp_path: Path, site: str, name: str
) -> None:
    job = await bench.run(SEVERAL_ROWS[name](tmp_path, site))
    texts = [without_styles(text).rstrip() for text in job.lines("stdout")]
    assert not [text for text in texts if REMNANT.search(text)]
    final = [row for row in shown(job.bytes("stdout")) if row]
    assert final
    for row in final:
        assert any(row in text for text in texts), (row, texts)
