"""What levels, steps and masking cost the runner: its CPU time per line with and without, by terminal and by pipe.

One runner reads all of a text and does one thing more, another, or neither with each chunk in turn, so that a busy
machine is busy for all. Figures are medians of CPU time (system time too) per chunk, from its reading to its index.
"""

from __future__ import annotations

import json
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from jupyter_logstream.model.workload import WorkloadSpec
from jupyter_logstream.runner.runner import Runner
from jupyter_logstream.store.disk import entry_meta as marks
from jupyter_logstream.store.disk.folder import Folder, RunParameters
from jupyter_logstream.text.redactor import Redactor, secret_values

LINES = 300_000
LINE_BYTES = 100
ROUNDS = 5
WORDS = "the of loss epoch batch accuracy gradient norm tokens loader rate with training".split()  # noqa: SIM905 - words
PROSE = (
    "In the first week nobody in Lisbon believed the report: it was long, dull (so they said), and had no pictures.",
    "Then Anna read it aloud, slowly; by noon the Council had sent for Mr. Okafor and asked him for his numbers.",
    'He said only this: "Count the boats yourselves." They did - twice - and the harbour was closed before Friday.',
    "Nothing that the Ministry wrote afterwards, in May or in June, changed what Everyone had seen from the bridge.",
)
VARIANTS = ("without", "levels and steps", "masking")
SECRETS = 10


def _plain(rng: random.Random, i: int) -> str:
    return f"epoch {i // 1000} step {i} loss={rng.random():.4f} " + " ".join(rng.choices(WORDS, k=16))


def _python(rng: random.Random, i: int) -> str:
    level = rng.choices(["INFO", "WARNING", "ERROR", "DEBUG"], [80, 8, 2, 10])[0]
    words = " ".join(rng.choices(WORDS, k=16))
    return f"2026-11-20 10:{i // 60 % 60:02}:{i % 60:02},{i % 1000:03} {level} my.module: {words}"


def _json(rng: random.Random, i: int) -> str:
    level = rng.choices(["INFO", "WARNING"], [9, 1])[0]
    record = {"asctime": f"2026-11-20 10:00:{i % 60:02},{i % 1000:03}", "levelname": level}
    return json.dumps({**record, "message": " ".join(rng.choices(WORDS, k=9))})


def _prose(rng: random.Random, _: int) -> str:
    return " ".join(rng.sample(PROSE, 2))[rng.randrange(100) :]


KINDS = {"plain": _plain, "python logging": _python, "json": _json, "prose": _prose}


def _write(path: Path, kind: str) -> None:
    rng = random.Random(1)
    with path.open("w") as file:
        file.writelines(KINDS[kind](rng, i)[: LINE_BYTES - 1].ljust(LINE_BYTES - 1) + "\n" for i in range(LINES))


class Bare:
    """A redactor that masks nothing."""

    masked = 0
    holds_few = False

    def feed(self, chunk: bytes) -> bytes:
        return chunk

    def finish(self) -> bytes:
        return b""

    def release(self) -> bytes:
        return b""


def run(how: str, text: str) -> None:
    """In a process of its own: one runner over the text; prints CPU nanoseconds per line by variant."""
    rng = random.Random(2)
    env = {f"A{i}_TOKEN": rng.randbytes(20).hex() for i in range(SECRETS)}
    took: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    turns, guess = cycle(VARIANTS), marks._GUESSER.guess
    with TemporaryDirectory() as temporary:
        folder = Folder(Path(temporary) / ("A" * 26))
        spec = WorkloadSpec(["/bin/cat", text], "x", "/", env, tty=how == "terminal")
        folder.create(spec, 0.0)
        folder.lock()
        runner = Runner(folder, spec, RunParameters(grace_s=1))
        read, file = runner._read, runner._log._files["stdout"]
        redactors = {"masking": Redactor(secret_values(env)), "levels and steps": Bare(), "without": Bare()}

        def timed(fd: int) -> None:
            variant, size = next(turns), file.size
            marks._GUESSER.guess = guess if variant == "levels and steps" else lambda _: None  # type: ignore[method-assign]
            runner._redactors["stdout"] = redactors[variant]  # type: ignore[assignment]
            begin = time.thread_time_ns()
            read(fd)
            spent = time.thread_time_ns() - begin
            if lines := (file.size - size) / LINE_BYTES:
                took[variant].append(spent / lines)

        runner._read = timed  # type: ignore[method-assign]
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(folder.control))
            listener.listen()
            runner.run(listener)
    print(json.dumps({variant: median(times) for variant, times in took.items()}))


def _measure(how: str, text: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.detection", how, str(text)]
    rounds = [json.loads(subprocess.run(command, check=True, capture_output=True).stdout) for _ in range(ROUNDS)]
    return {variant: median(took[variant] for took in rounds) for variant in VARIANTS}


def _rows() -> Iterator[tuple[str, float]]:
    with TemporaryDirectory() as temporary:
        for kind in KINDS:
            text = Path(temporary) / "text"
            _write(text, kind)
            for how in "pipe", "terminal":
                took = _measure(how, text)
                yield f"runner, {kind} lines by {how}: without, ns/line", took["without"]
                for variant in VARIANTS[1:]:
                    added = (took[variant] / took["without"] - 1) * 100
                    yield f"runner, {kind} lines by {how}: {variant} add, %", added


def main() -> dict[str, float]:
    return dict(_rows())


if __name__ == "__main__":
    if len(sys.argv) > 1:
        run(*sys.argv[1:])
    else:
        print(json.dumps(main(), indent=1))
