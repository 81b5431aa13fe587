"""`python -m benchmarks [PART ...]`: every benchmark (or these), each beside its peer in one run; prints a table.

Writes results.json and the same table into docs/benchmarks.md; a run of some parts replaces their figures only.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from . import (
    comm,
    detection,
    fanin,
    fanout,
    find,
    first_second,
    functions,
    growth,
    iopub,
    kubernetes,
    latency,
    many_views,
    mirror,
    page,
    proxy,
    ray,
    readers,
    remote,
    replay,
    report,
    search,
    start,
    throughput,
    view,
)

ALL = (
    *(start, throughput, latency, fanin, fanout, readers, mirror, remote, replay, growth, detection, proxy, iopub),
    *(page, first_second, view, many_views, find, search, functions, comm),
)
BY_NAME_ONLY = (ray, kubernetes)  # they install much
PARTS = {part.__name__.rpartition(".")[2]: part for part in (*ALL, *BY_NAME_ONLY)}


def main(chosen: list[str]) -> None:
    if unknown := set(chosen) - set(PARTS):
        sys.exit(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    kept = Path(__file__).with_name("results.json")
    results: dict[str, float] = {}
    for name in chosen or [name for name, part in PARTS.items() if part in ALL]:
        print(f"{name} ...", file=sys.stderr, flush=True)
        results.update(PARTS[name].main())
    print(report.table(results))
    before = json.loads(kept.read_text()) if chosen else {}
    kept.write_text(json.dumps({**before, **results}, indent=1) + "\n")
    report.keep({**before, **results})


if __name__ == "__main__":
    main(sys.argv[1:])
