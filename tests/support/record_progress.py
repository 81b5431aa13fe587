"""Records what the progress of real programs looks like on the wire, for js/test/fixtures/progress. Run by hand.

`python tests/support/record_progress.py NAME COMMAND` runs COMMAND as a workload of a real server and writes
NAME.ndjson: one line per frame, `{"at": ms, "source", "progress": text}` or `{"at", "source", "record": text}`.
`--serve FOLDER` gives the command $SLOW_URL, which serves that folder at --rate bytes a second.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from support.paths import ROOT
from support.serving import Server, jupyter

FIXTURES = ROOT / "js" / "test" / "fixtures" / "progress"


MOST = 24


class Slowly(SimpleHTTPRequestHandler):
    """Serves files as a slow network would, so that programs have a progress to show."""

    rate = 1_000_000

    def copyfile(self, source: Any, outputfile: Any) -> None:
        while piece := source.read(self.rate // 20):
            outputfile.write(piece)
            time.sleep(0.05)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Not here: what is recorded is the program."""


def frames(server: Server, workload: str) -> list[dict[str, Any]]:
    """All frames of a workload's lines, from its start to its end."""
    kept: list[dict[str, Any]] = []
    started = time.monotonic()
    kind = ""
    stream = server.http.stream("GET", f"{server.url}logstream/v1/events", params={"stream": f"workload/{workload}@0"})
    with stream as response:
        for line in response.iter_lines():
            if line.startswith("event:"):
                kind = line.removeprefix("event:").strip()
            if not line.startswith("data:"):
                continue
            data, at = json.loads(line[5:]), round((time.monotonic() - started) * 1000)
            if kind == "progress":
                kept.append({"at": at, "source": data["source"], "progress": data["message"]})
            elif kind == "logs":
                kept += [{"at": at, "source": r["source"], "record": r["message"]} for r in data["logs"]]
    return kept


def thinned(kept: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """About MOST of the frames, evenly, with the first and the last ones: a fixture is to be read by people."""
    step = max(1, len(kept) // MOST) | 1  # odd: bars that take turns are all seen
    return [frame for i, frame in enumerate(kept) if i % step == 0 or i < 3 or i >= len(kept) - 3]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("command", nargs="+")
    parser.add_argument("--serve", type=Path)
    parser.add_argument("--rate", type=int, default=1_000_000)
    arguments = parser.parse_args()
    env = {"TQDM_MININTERVAL": "0.1"}
    if arguments.serve:
        Slowly.rate = arguments.rate
        slow = ThreadingHTTPServer(("127.0.0.1", 0), partial(Slowly, directory=str(arguments.serve)))
        threading.Thread(target=slow.serve_forever, daemon=True).start()
        env["SLOW_URL"] = f"http://127.0.0.1:{slow.server_port}"
    with tempfile.TemporaryDirectory() as folder, jupyter(Path(folder)) as server:
        body = {"command": " ".join(arguments.command), "cwd": folder, "env": env}
        workload = server.http.post(f"{server.url}logstream/v1/workloads", json=body).json()["id"]
        kept = frames(server, workload)
    text = "".join(json.dumps(frame, ensure_ascii=False) + "\n" for frame in thinned(kept))
    (FIXTURES / f"{arguments.name}.ndjson").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
