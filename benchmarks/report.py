"""The table that `make bench` prints and keeps in docs/benchmarks.md: each figure beside its peer's of the same run.

A row names figures of results.json; those that no row names follow as they are. This file must not know how a figure
is measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

Results = Mapping[str, float]
Better = Literal["more", "less"]


class Row(NamedTuple):
    """What was measured, ours and (where there is one) a peer's figure of the same run, and what it must be.

    `bar`: how many times the peer's it must be, or (without a peer) how much: at least where `better` is "more",
    at most where it is "less".
    """

    what: str
    ours: str
    better: Better
    peer: str = ""
    theirs: str = ""
    bar: float | None = None


def _alone(what: str, better: Better, bar: float) -> Row:
    return Row(what, what, better, bar=bar)


def _fanout(readers: str, bar: float | None = None) -> list[Row]:
    what = f"fan-out to {readers}"
    ours = f"{what}: ours, MB per CPU s"
    ways = ("nchan, a line a message", "nchan, 1,000 lines a message")
    return [Row(f"{what}, MB per CPU s", ours, "more", way, f"{what}: {way}, MB per CPU s", bar) for way in ways]


def _view(figure: str, ours: str) -> list[Row]:
    what, lines = f"view, 1 M lines: {figure}", "1 M lines"
    peers = ("react-logviewer", "xterm.js")
    return [Row(what, f"view, {lines}: {ours}", "less", peer, f"{peer}, {lines}: {figure}") for peer in peers]


def _many(count: int, where: str, bar: float) -> list[Row]:
    ours, plain, save = f"{count} live views{where}: ", "12 plain output cells", "save, ms (median)"
    return [
        _alone(f"{ours}main thread, %", "less", bar),
        _alone(f"{ours}longest task, ms (0: none over 50)", "less", 50),
        Row(f"{ours}{save}", f"{ours}{save}", "less", plain, f"{plain}{where}: {save}", 1.5),
    ]


def _first(kernel: str, bar: float) -> Row:
    ours, echo = (f"first line in a {kernel} kernel: {name}, ms (median)" for name in ("run()", "!echo"))
    return Row(f"first line in a {kernel} kernel, ms", ours, "less", "!echo", echo, bar)


def _search(query: str, bar: float) -> list[Row]:
    what = f"search of 1 M lines, {query}"
    ours, rg = f"{what}: ours, s (median)", f"{what}: ripgrep, s (median)"
    return [_alone(ours, "less", bar), Row(f"{what}, s", ours, "less", "ripgrep", rg)]


def _comm(what: str, bar: float | None = None) -> list[Row]:
    """A figure of views through the kernel, beside that of a page that reaches the server."""
    ours = f"comm: {what}"
    beside = Row(f"through the kernel: {what}", ours, "less", "fetch", f"fetch: {what}")
    return [beside] if bar is None else [_alone(ours, "less", bar), beside]


CAT, NAIVE, PROXY, OUTPUT = "child | cat", "naive Tornado SSE", "jupyter-server-proxy", "JupyterLab's output"
_TOOK = "300,000 lines, child to client: "
_LATE = "latency, 1,000 lines/s, "
_SIMPLE, _EVENTS = f"{_LATE}simple form: ", f"{_LATE}v1/events: "
_REPLAY, _DOWNLOAD, _CELL = "replay: records by ", "proxy: CPU of a 1 GB download, ms/MB", "20,000 lines in "
_LAST, _LONGEST = "until the last is there, ms", "longest task, ms (0: none over 50)"

_THERE = ", 1,000 lines/s: line there to reader here, "

# fmt: off
ROWS = (
    Row("child to client, lines/s", "throughput: ours, lines/s (median)", "more", NAIVE,
        "throughput: naive Tornado SSE, lines/s (median)", 5),
    Row("taking in 1,000,000 lines, s", "taking in 1,000,000 lines: ours, s", "less", CAT,
        "taking in 1,000,000 lines: child | cat > /dev/null, s", 2),
    Row(f"{_TOOK}s", f"{_TOOK}ours, s (median)", "less", CAT, f"{_TOOK}child | cat > /dev/null, s (median)"),
    _alone(f"{_SIMPLE}p50, ms", "less", 2),
    _alone(f"{_SIMPLE}p99, ms", "less", 10),
    _alone(f"{_EVENTS}p50, ms", "less", 15),
    Row(f"{_SIMPLE}p50, ms", f"{_SIMPLE}p50, ms", "less", NAIVE, f"{_LATE}naive Tornado: p50, ms"),
    Row(f"{_SIMPLE}p50, ms", f"{_SIMPLE}p50, ms", "less", "sse-starlette", f"{_LATE}sse-starlette: p50, ms"),
    Row(f"{_EVENTS}p50, ms", "1,000 lines/s by v1/events beside it: p50, ms", "less", "IOPub",
        "1,000 lines/s by IOPub: p50, ms"),
    Row("300,000 lines at once: lost, %", "300,000 lines by v1/events: lost, %", "less", "IOPub",
        "300,000 lines printed in a cell: lost by IOPub, %"),
    *_fanout("1"), *_fanout("10"), *_fanout("100", 0.5), *_fanout("1,000"),
    _alone(f"{_REPLAY}v1/events, a second", "more", 500_000),
    Row(f"{_REPLAY}v1/events, a second", f"{_REPLAY}v1/events, a second", "more", NAIVE,
        "replay: lines by naive Tornado SSE, a second", 3),
    Row(f"{_REPLAY}the simple form, a second", f"{_REPLAY}the simple form, a second", "more", NAIVE,
        "replay: lines by naive Tornado SSE, a second", 3),
    Row("log.txt, MB/s", "log.txt: ours, MB/s", "more", "nginx's static file", "log.txt: nginx's static file, MB/s",
        0.8),
    Row("log.txt, MB/s", "log.txt: ours, MB/s", "more", "cat", "log.txt: cat, MB/s"),
    _alone("mirror: copying a log, lines/s (median)", "more", 300_000),
    Row("mirror: copying a log, lines/s", "mirror: copying a log, lines/s (median)", "more", "cat",
        "mirror: cat over the same pipe, lines/s (median)"),
    _alone("mirror, 1,000 lines/s: line there to reader here, p50, ms", "less", 25),
    _alone("mirror, 1,000 lines/s: line there to reader here, p99, ms", "less", 100),
    *(_alone(f"{way}, 1,000 lines/s: line there to reader here, {what}", "less", bar)
      for way in ("ssh", "Slurm, srun") for what, bar in (("p50, ms", 25), ("p99, ms", 100))),
    _alone("ssh: start of a workload, ms (median)", "less", 400),
    _alone("ssh: first line here, ms (median)", "less", 700),
    _alone("ssh: child there to verified end here, lines/s (median)", "more", 300_000),
    Row("ssh: child there to verified end here, lines/s", "ssh: child there to verified end here, lines/s (median)",
        "more", "ssh cat", "ssh: cat of the same bytes, lines/s (median)", 0.5),
    _alone("ssh: processes here of 50 workloads on one host", "less", 100),
    *(Row(f"Ray{_THERE}{what}", f"Ray{_THERE}{what}", "less", "ray job logs --follow",
          f"ray job logs --follow{_THERE}{what}") for what in ("p50, ms", "p99, ms")),
    _alone(f"Ray{_THERE}p50, ms", "less", 25),
    *(Row(f"Kubernetes{_THERE}{what}", f"Kubernetes{_THERE}{what}", "less", "kubectl logs -f",
          f"kubectl logs -f{_THERE}{what}") for what in ("p50, ms", "p99, ms")),
    _alone(f"Kubernetes{_THERE}p50, ms", "less", 50),
    _alone("1,000 readers of 100 lines/s: complete", "more", 1000),
    _alone("1,000 readers: GET /api/status meanwhile, p99, ms", "less", 100),
    _alone("1,000 readers: kB of the server each", "less", 60),
    _alone("a quiet workload: wake-ups of its runner a second", "less", 0),
    _alone("server: growth after 10,000,000 lines read, MB", "less", 20),
    _alone("10,000 workloads: start of the server takes more, s", "less", 2),
    _alone("10,000 workloads: a page of the list, ms", "less", 100),
    Row(_DOWNLOAD, f"{_DOWNLOAD} (median)", "less", f"{PROXY}, streaming",
        "proxy: the same by jupyter-server-proxy, streaming"),
    Row(_DOWNLOAD, f"{_DOWNLOAD} (median)", "less", f"{PROXY}, buffered",
        "proxy: the same by jupyter-server-proxy, buffered"),
    Row("proxy: added to an SSE event, ms", "proxy: added to an SSE event, ms (median)", "less", PROXY,
        "proxy: added by jupyter-server-proxy, ms (median)"),
    *_view("last line painted, ms", "last line painted, ms (median)"),
    *_view("heap over the empty page, MB", "heap over the empty page, MB"),
    *_view("longest task, ms", "longest task, ms (0: none over 50)"),
    *_many(12, ", all in sight", 20), *_many(12, "", 20), *_many(40, "", 50),
    _first("fresh", 3), _first("warm", 2),
    Row(f"{_CELL}a cell: {_LAST}", f"{_CELL}the log view: {_LAST}", "less", OUTPUT, f"{_CELL}{OUTPUT}: {_LAST}"),
    Row(f"{_CELL}a cell: longest task, ms", f"{_CELL}the log view: {_LONGEST}", "less", OUTPUT,
        f"{_CELL}{OUTPUT}: {_LONGEST}"),
    *_search("text", 0.2), *_search("text in every line", 0.2), *_search("expression", 0.6),
    *_search("expression that begins a line", 0.6), *_search("expression in every line", 0.6),
    *_search("nested repeats", 0.6),
    _alone("run(function) returns after, ms (median)", "less", 150),
    Row("a function's process until it runs, ms", "a function's process until it runs, ms (median)", "less",
        "python -c pass", "python -c pass, ms (median)"),
    Row("a result of 95 MB, ms", "a result of 95 MB: ours, ms (median)", "less", "pickle by a file",
        "a result of 95 MB: pickle by a file, ms (median)", 1.5),
    _alone("200 functions, 2 at once: GET /api/status meanwhile, ms (p99)", "less", 100),
    *_comm("line to screen, 1 lines/s, idle kernel, ms (p50)", 100),
    *_comm("line to screen, 1 lines/s, busy kernel, ms (p50)", 250),
    *_comm("line to screen, 1000 lines/s, idle kernel, ms (p50)", 100),
    *_comm("line to screen, 1000 lines/s, busy kernel, ms (p50)", 250),
    *_comm("cell to painted end of 1 M lines, ms (median)", 500), *_comm("jump in 1 M lines, ms (median)", 300),
    *_comm("heap of three views of 1 M lines, MB"),
    _alone("search of 1 M lines: other requests meanwhile, ms (p99)", "less", 50),
)
# fmt: on

DOCUMENT = Path(__file__).parents[1] / "docs" / "benchmarks.md"
BELOW = "<!-- What follows is written by `make bench`. -->\n"


def keep(results: Results) -> None:
    """Write the table below the document's introduction."""
    introduction, _, _ = DOCUMENT.read_text().partition(BELOW)
    DOCUMENT.write_text(f"{introduction}{BELOW}\n{table(results)}")


def table(results: Results) -> str:
    """Markdown: the rows that these results fill, then the other figures."""
    rows = [row for row in ROWS if row.ours in results and (not row.theirs or row.theirs in results)]
    in_rows = {row.ours for row in rows} | {row.theirs for row in rows}
    lines = [("measured", "ours", "beside", "its", "ours / its", "bar"), *[_cells(row, results) for row in rows]]
    others = {name: value for name, value in results.items() if name not in in_rows}
    lines += [(name, _figure(value), "", "", "", "") for name, value in others.items()]
    return "\n".join(_aligned([tuple(cell.replace("|", "\\|") for cell in line) for line in lines])) + "\n"


def _cells(row: Row, results: Results) -> tuple[str, ...]:
    ours = results[row.ours]
    if not row.theirs:
        return row.what, _figure(ours), "", "", "", _judged(row, ours, "")
    theirs = results[row.theirs]
    ratio = ours / theirs if theirs else float("inf")
    return row.what, _figure(ours), row.peer, _figure(theirs), f"{ratio:.3g}x", _judged(row, ratio, "x")


def _judged(row: Row, value: float, unit: str) -> str:
    if row.bar is None:
        return ""
    met = value >= row.bar if row.better == "more" else value <= row.bar
    return f"{'>=' if row.better == 'more' else '<='} {row.bar:,g}{unit} {'met' if met else 'MISSED'}"


def _figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.2f}".rstrip("0").rstrip(".")


def _aligned(lines: list[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for number, cells in enumerate(lines):
        padded = [
            cell.rjust(width) if at in {1, 3, 4} and number else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        yield f"| {' | '.join(padded)} |"
        if not number:
            yield (
                "|"
                + "|".join("-" * (width + 1) + (":" if at in {1, 3, 4} else "-") for at, width in enumerate(widths))
                + "|"
            )
