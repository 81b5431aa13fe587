"""`python -m benchmarks`: every benchmark, each beside its peer in one run; prints a table, writes results.json."""

from __future__ import annotations

import json
from pathlib import Path

from . import detection, page, proxy, start, throughput


def main() -> None:
    results: dict[str, float] = {}
    for part in (start, throughput, detection, proxy, page):
        results.update(part.main())
    width = max(map(len, results))
    for name, value in results.items():
        print(f"{name:<{width}}  {value:>12,.2f}")
    Path(__file__).with_name("results.json").write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
