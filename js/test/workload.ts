// Values for the tests: a workload, and records of it.
import type { LogRecord, Workload } from "../src/core/types.js";
import type { Listed } from "../src/core/workloads.js";

export function workload(changes: Partial<Workload>): Workload {
  return {
    id: "W1",
    name: "train",
    command: "python train.py",
    state: "running",
    created: 0,
    started: 1000,
    ended: null,
    exit_code: null,
    signal: null,
    error: null,
    lines: 0,
    ...changes,
  };
}

/** The `n`-th workload of a list, W1 being the oldest; ended unless said otherwise. */
export function listed(n: number, changes: Partial<Listed> = {}): Listed {
  const times = { created: 1000 * n, started: 1000 * n, ended: changes.state === "running" ? null : 1000 * n + 500 };
  return { ...workload({ id: `W${n}`, name: `job ${n}`, state: "succeeded", ...times }), ...changes };
}

export function record(seq: number, changes: Partial<LogRecord> = {}): LogRecord {
  return { seq, ts: seq, level: "info", message: `line ${seq}`, source: "stdout", ...changes };
}

/** Records `from` to `to`, both inclusive. */
export function records(from: number, to: number): LogRecord[] {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => record(from + i));
}
