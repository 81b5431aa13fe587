// Named numbers in lines; Python passes the same table (tests/vectors/metrics.json).
import { expect, it } from "vitest";
import { numbers, worker } from "../../src/text/numbers.js";
import { busyMs } from "../support/busy.js";
import { vectors } from "../support/vectors.js";

type Named = { readonly [name: string]: number | null };
const { lines, workers } = vectors<{
  lines: [line: string, named: Named][];
  workers: [line: string, worker: string | null][];
}>("metrics");

it.each(lines)("%j names %j", (line, named) => {
  const found = numbers(line);
  expect([...found.keys()].sort()).toEqual(Object.keys(named).sort());
  for (const [name, number] of Object.entries(named)) {
    if (number === null) expect(found.get(name)).toBeNaN();
    else expect(found.get(name)).toBeCloseTo(number, 9);
  }
});

it.each(workers)("%j names the worker %j", (line, named) => {
  expect(worker(line) ?? null).toBe(named);
});

it("long lines cost no more than their first 500 characters", () => {
  for (const unit of ["a=1 ", "a", "1", "=", ": ", "a=1,", "1s/", "-", "a ", "loss "]) {
    const before = busyMs();
    numbers(unit.repeat(10_000_000 / unit.length));
    expect(busyMs() - before).toBeLessThan(10_000);
  }
});

it("ten thousand ordinary lines take less than 3 s of processor time", () => {
  const before = busyMs();
  for (let i = 0; i < 10_000; i++)
    numbers(`2026-11-20 10:30:05,123 INFO app.worker request ${i} took 12 ms, 3 of 4 cached`);
  expect(busyMs() - before).toBeLessThan(3000);
});
