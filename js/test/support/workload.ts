// Values for the tests: a workload, and records of it.

import type { Figures, Row } from "../../src/protocol/request-log.js";
import type { LogRecord, Workload } from "../../src/protocol/types.js";
import type { ListedWorkload } from "../../src/protocol/workloads-source.js";

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

/** The `n`-th workload of a list, W1 being the oldest; ended by default. */
export function listed(n: number, changes: Partial<ListedWorkload> = {}): ListedWorkload {
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

/** A row of the request log. */
export function request(n: number, changes: Partial<Row> = {}): Row {
  const unknown = {
    response_model: null,
    cached_tokens: null,
    session: null,
    workload_id: null,
    cell: null,
    error: null,
  };
  return {
    ...unknown,
    id: `R${n}`,
    status: "completed",
    initial_time: 90_000 + n,
    duration_ms: 500,
    time_to_first_chunk_ms: 100,
    upstream: "llm",
    method: "POST",
    path: "/chat/completions",
    http_status: 200,
    provider: "openai",
    model: "tiny",
    operation: "chat",
    input_tokens: 7,
    output_tokens: 17,
    cost_usd: 0.01,
    stream: false,
    request_bytes: 80,
    response_bytes: 900,
    ...changes,
  };
}

/** Figures of `calls` calls of one service. */
export function figures(requests = 2): Figures {
  const percentiles = { p50: 100, p95: 500 };
  const tally = {
    requests,
    errors: 1,
    active: 0,
    input_tokens: 14,
    output_tokens: 34,
    cached_tokens: 0,
    cost_usd: 0.02,
    duration_ms: percentiles,
    time_to_first_chunk_ms: percentiles,
  };
  return { totals: tally, by_provider: { openai: tally }, by_model: { tiny: tally }, active_sessions: 0 };
}
