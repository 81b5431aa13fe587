// The contract of the request log: rows, figures, details, and the source they come from. Types and limits only.

import type { HubEvent, Subscription } from "./types.js";

/** Maximum number of rows in a page of the browser; also the number of rows that it requests. */
export const MAX_LISTED_REQUESTS = 2000;

export type RequestStatus = "pending" | "streaming" | "completed" | "error" | "cancelled" | "timeout" | "interrupted";

/** One call. Times in Unix ms, durations in ms; null: unknown, or not known yet. */
export interface Row {
  readonly id: string;
  readonly status: RequestStatus;
  readonly initial_time: number;
  readonly duration_ms: number | null;
  readonly time_to_first_chunk_ms: number | null;
  readonly upstream: string | null;
  readonly method: string | null;
  readonly path: string | null;
  readonly http_status: number | null;
  readonly provider: string | null;
  readonly model: string | null;
  readonly response_model: string | null;
  readonly operation: string | null;
  readonly input_tokens: number | null;
  readonly output_tokens: number | null;
  readonly cached_tokens: number | null;
  readonly cost_usd: number | null;
  readonly stream: boolean;
  readonly session: string | null;
  readonly workload_id: string | null;
  readonly cell: string | null;
  readonly error: string | null;
  readonly request_bytes: number | null;
  readonly response_bytes: number | null;
  /** Why the model stopped; absent or null: unknown. */
  readonly finish_reason?: string | null;
  readonly cache_creation_tokens?: number | null;
  readonly reasoning_tokens?: number | null;
}

export interface Percentiles {
  readonly p50: number | null;
  readonly p95: number | null;
}

/** Figures of a group of calls. */
export interface CallStats {
  readonly requests: number;
  readonly errors: number;
  readonly active: number;
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly cached_tokens: number;
  readonly cost_usd: number;
  readonly duration_ms: Percentiles;
  readonly time_to_first_chunk_ms: Percentiles;
}

export interface Figures {
  readonly totals: CallStats;
  readonly by_provider: { readonly [provider: string]: CallStats };
  readonly by_model: { readonly [model: string]: CallStats };
  readonly active_sessions: number;
}

export type Headers = readonly (readonly [name: string, value: string])[];

export interface Body {
  readonly text: string;
  /** Size of the whole body. */
  readonly bytes: number;
  /** Whether `text` is the whole body. */
  readonly whole: boolean;
}

/** Headers, query and bodies of a call, without secrets. */
export interface Detail {
  readonly query?: string;
  readonly request_headers?: Headers;
  readonly response_headers?: Headers;
  readonly request_body?: Body;
  readonly response_body?: Body;
}

/** The newest rows, newest first, and the figures. `all`: the server has no other rows. */
export interface RequestPoll {
  readonly rows: readonly Row[];
  readonly figures: Figures;
  readonly all: boolean;
}

export interface RequestsSource {
  subscribe(listener: (event: HubEvent) => void): Subscription;
  poll(): Promise<RequestPoll>;
  detail(id: string): Promise<Detail>;
  /** The URL at which a page can repeat the call; "" for calls that did not use the proxy. */
  addressOf(row: Row, query: string): string;
}
