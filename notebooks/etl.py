"""A real ETL run in plain Python: orders are written as CSV, checked, loaded into SQLite and summed up - and it fails.

One order has no total, and the sum fails because of it. `--fix` drops such orders, and the run succeeds.
Needs no packages. It marks its steps with marker lines and prints plain text, Python logging and JSON.
"""

from __future__ import annotations

import argparse
import csv
import json
import logging
import random
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

BATCH = 500
log = logging.getLogger("etl")


class ReportFailed(Exception):
    """The report could not be created; the cause is chained."""


def extract(file: Path, orders: int) -> None:
    """Write orders as a shop would export them: some without a customer, one without a total."""
    with file.open("w", newline="") as target:
        rows = csv.writer(target)
        rows.writerow(["id", "customer", "total"])
        for order in range(1, orders + 1):
            customer = "" if random.random() < 0.002 else f"c{random.randrange(300)}"
            total = "" if order == orders * 7 // 10 else f"{random.uniform(5, 500):.2f}"
            rows.writerow([order, customer, total])
    log.info("wrote %s: %d orders, %d bytes", file.name, orders, file.stat().st_size)


def check(file: Path, *, fix: bool) -> list[dict[str, str]]:
    """Read them, warn of those without a customer, and drop those without a total if that is wanted."""
    with file.open(newline="") as source:
        orders = list(csv.DictReader(source))
    kept = []
    for order in orders:
        if not order["customer"]:
            log.warning("an order has no customer")
        if fix and not order["total"]:
            log.warning("order %s has no total: dropped", order["id"])
            continue
        kept.append(order)
    log.info("%d of %d orders kept", len(kept), len(orders))
    return kept


def load(database: sqlite3.Connection, orders: list[dict[str, str]]) -> None:
    """Insert the orders in batches, and print the result of each as one line of JSON."""
    database.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT, total TEXT)")
    for start in range(0, len(orders), BATCH):
        before = time.perf_counter()
        batch = orders[start : start + BATCH]
        database.executemany("INSERT INTO orders VALUES (:id, :customer, :total)", batch)
        database.commit()
        took = (time.perf_counter() - before) * 1000
        rows = {"batch": len(batch), "sum": start + len(batch)}
        print(json.dumps({"level": "info", "event": "loaded", "rows": rows, "ms": round(took, 3), "table": "orders"}))
        time.sleep(0.05)  # as long as a database elsewhere would take


def report(database: sqlite3.Connection) -> None:
    """Sum up by customer, and print the best ones."""
    sums: dict[str, float] = {}
    for order, customer, total in database.execute("SELECT id, customer, total FROM orders"):
        try:
            sums[customer] = sums.get(customer, 0.0) + float(total)
        except ValueError as error:
            raise ReportFailed(f"order {order} cannot be summed up") from error
    for customer, total in sorted(sums.items(), key=lambda one: -one[1])[:3]:
        print(f"customer={customer or 'unknown'} total={total:.2f} share={total / sum(sums.values()):.4f}")


def main() -> None:
    """Run all steps; an exception of any ends it with exit code 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=20_000)
    parser.add_argument("--fix", action="store_true", help="drop orders without a total")
    args = parser.parse_args()
    logging.basicConfig(level="INFO", stream=sys.stdout, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    random.seed(7)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "orders.csv"
        database = sqlite3.connect(Path(folder) / "orders.db")
        print("::step:: extract")
        extract(file, args.orders)
        print("::step:: check")
        orders = check(file, fix=args.fix)
        print("::step:: load")
        load(database, orders)
        print("::step:: report")
        report(database)
        print("::endstep::")


if __name__ == "__main__":
    main()
