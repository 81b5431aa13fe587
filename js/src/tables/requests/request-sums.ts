// What rows of the request log come to: figures as the server makes them, and what there is to choose from. Pure; no DOM.

import type { Figures, RequestStatus, Row, Tally } from "../../protocol/request-log.js";
import { serviceOf } from "./request-labels.js";
import { isOpen } from "./requests.js";

const FAILED: ReadonlySet<RequestStatus> = new Set(["error", "timeout", "interrupted"]);

/** Of the rows that are here. */
export interface Sums {
  readonly figures: Figures;
  readonly statuses: ReadonlyMap<RequestStatus, number>;
  /** Sorted by name. */
  readonly services: readonly string[];
  readonly models: readonly string[];
}

export function sumsOf(rows: Iterable<Row>): Sums {
  const totals = new Sum();
  const providers = new Map<string, Sum>();
  const models = new Map<string, Sum>();
  const services = new Set<string>();
  const sessions = new Set<string>();
  const statuses = new Map<RequestStatus, number>();
  for (const row of rows) {
    totals.add(row);
    if (row.provider !== null) sumOf(providers, row.provider).add(row);
    if (row.model !== null) sumOf(models, row.model).add(row);
    if (row.session !== null && isOpen(row)) sessions.add(row.session);
    services.add(serviceOf(row));
    statuses.set(row.status, (statuses.get(row.status) ?? 0) + 1);
  }
  services.delete("");
  const figures = {
    totals: totals.tally,
    by_provider: tallies(providers),
    by_model: tallies(models),
    active_sessions: sessions.size,
  };
  return { figures, statuses, services: [...services].sort(), models: [...models.keys()].sort() };
}

/** The server's figures, which are of all its rows but some seconds old, with what is open now. */
export function withOpen(old: Figures, sums: Sums): Figures {
  const now = (tally: Tally, open: Tally | undefined) => ({ ...tally, active: open?.active ?? 0 });
  const entries = Object.entries(old.by_provider).map(([name, tally]) => {
    return [name, now(tally, sums.figures.by_provider[name])] as const;
  });
  return { ...old, totals: now(old.totals, sums.figures.totals), by_provider: Object.fromEntries(entries) };
}

class Sum {
  readonly #counts = {
    ...{ requests: 0, errors: 0, active: 0 },
    ...{ input_tokens: 0, output_tokens: 0, cached_tokens: 0, cost_usd: 0 },
  };
  readonly #durations: number[] = [];
  readonly #firstChunks: number[] = [];

  add(row: Row): void {
    const counts = this.#counts;
    counts.requests += 1;
    if (FAILED.has(row.status)) counts.errors += 1;
    if (isOpen(row)) counts.active += 1;
    counts.input_tokens += row.input_tokens ?? 0;
    counts.output_tokens += row.output_tokens ?? 0;
    counts.cached_tokens += row.cached_tokens ?? 0;
    counts.cost_usd += row.cost_usd ?? 0;
    if (!isOpen(row) && row.duration_ms !== null) this.#durations.push(row.duration_ms);
    if (row.time_to_first_chunk_ms !== null) this.#firstChunks.push(row.time_to_first_chunk_ms);
  }

  get tally(): Tally {
    const [duration_ms, time_to_first_chunk_ms] = [percentiles(this.#durations), percentiles(this.#firstChunks)];
    return { ...this.#counts, duration_ms, time_to_first_chunk_ms };
  }
}

function sumOf(sums: Map<string, Sum>, name: string): Sum {
  const sum = sums.get(name) ?? new Sum();
  sums.set(name, sum);
  return sum;
}

function tallies(sums: ReadonlyMap<string, Sum>): { readonly [name: string]: Tally } {
  return Object.fromEntries([...sums.keys()].sort().map((name) => [name, (sums.get(name) as Sum).tally]));
}

/** The values that half of all, and 95 of a hundred, do not exceed. */
function percentiles(values: readonly number[]): Tally["duration_ms"] {
  const ordered = [...values].sort((a, b) => a - b);
  const at = (part: number) => ordered[Math.ceil((ordered.length * part) / 100) - 1] ?? null;
  return { p50: at(50), p95: at(95) };
}
