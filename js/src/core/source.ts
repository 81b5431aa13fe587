// Logs and the list of workloads as the views see them: live events from the hub, ranges and actions over HTTP.
// Knows the routes of protocol v1; no DOM, no view.

import { GONE, type Hub, pageHub } from "./hub.js";
import { Refused } from "./lines.js";
import { currentPage, type Page } from "./page.js";
import { type Detail, type Figures, MOST as MOST_ROWS, type RequestsSource, type Row } from "./requests.js";
import type { HubEvent, LogRecord, RecordPage, StreamRequest, Subscription, Workload } from "./types.js";
import { MOST, type WorkloadsSource } from "./workloads.js";

/** The newest calls that are asked for at once. */
const POLLED_ROWS = 500;

/** What was found: how many records match, and the one that was asked for. */
export interface Match {
  readonly total: number;
  readonly seq: number | undefined;
}

export interface LogSource {
  readonly workload: string;
  /** Of a log that is no workload's: it has no end, is kept nowhere, and there is nothing to cancel or to download. */
  readonly title?: string;
  readonly downloadUrl: string;
  subscribe(from: Omit<StreamRequest, "stream">, listener: (event: HubEvent) => void): Subscription;
  /** Records after seq `after`; throws `Refused` where asking again is of no use. */
  records(after: number, limit: number, signal: AbortSignal): Promise<readonly LogRecord[]>;
  /** Searches the whole log for text, or for a regular expression between slashes; the `nth` match, from 0. */
  find(query: string, nth: number, signal: AbortSignal): Promise<Match>;
  /** The seq of a step's first record; absent where there are no steps. */
  firstOf?(step: string): Promise<number | undefined>;
  cancel(): Promise<void>;
}

export function workloadSource(workload: string, page: Page = currentPage(), hub: Hub = pageHub()): LogSource {
  const path = `v1/workloads/${encodeURIComponent(workload)}`;
  return {
    workload,
    downloadUrl: new URL(`${path}/log.txt`, page.root).href,
    subscribe: (from, listener) => hub.subscribe({ stream: `workload/${workload}`, ...from }, listener),
    async records(after, limit, signal) {
      const response = await checked(page.request(`${path}/records?after=${after}&limit=${limit}`, { signal }));
      return ((await response.json()) as RecordPage).records;
    },
    async find(query, nth, signal) {
      const asked = `${path}/records?q=${encodeURIComponent(query)}&offset=${nth}&limit=1`;
      const found = (await (await checked(page.request(asked, { signal }))).json()) as RecordPage;
      return { total: found.total, seq: found.records[0]?.seq };
    },
    async firstOf(step) {
      const asked = `${path}/records?step=${encodeURIComponent(step)}&limit=1`;
      return ((await (await checked(page.request(asked))).json()) as RecordPage).records[0]?.seq;
    },
    async cancel() {
      const response = await checked(page.request(`${path}/cancel`, { method: "POST" }));
      await response.body?.cancel();
    },
  };
}

/** All workloads of the server, and what one can do with them. */
export function workloadsSource(page: Page = currentPage(), hub: Hub = pageHub()): WorkloadsSource {
  const path = (id: string) => `v1/workloads/${encodeURIComponent(id)}`;
  const done = async (asked: Promise<Response>) => void (await checked(asked)).body?.cancel();
  return {
    // Always the same question, so that all lists of a page are one stream.
    subscribe: (listener) => hub.subscribe({ stream: "workloads", tail: MOST }, listener),
    cancel: (id) => done(page.request(`${path(id)}/cancel`, { method: "POST" })),
    remove: (id) => done(page.request(path(id), { method: "DELETE" })),
    async again(id) {
      const body = JSON.stringify({ again: id });
      const headers = { "Content-Type": "application/json" };
      const answer = await checked(page.request("v1/workloads", { method: "POST", headers, body }));
      return (await answer.json()) as Workload;
    },
  };
}

/** The request log, and what is kept of a call. */
export function requestsSource(page: Page = currentPage(), hub: Hub = pageHub()): RequestsSource {
  const get = async <T>(path: string) => (await (await checked(page.request(path))).json()) as T;
  return {
    subscribe: (listener) => hub.subscribe({ stream: "requests", tail: MOST_ROWS }, listener),
    async poll() {
      const asked = get<{ readonly requests: readonly Row[] }>(`v1/requests?limit=${POLLED_ROWS}`);
      const [{ requests }, figures] = await Promise.all([asked, get<Figures>("v1/requests/stats")]);
      return { rows: requests, figures };
    },
    detail: async (id) => (await get<{ readonly detail: Detail }>(`v1/requests/${encodeURIComponent(id)}`)).detail,
    addressOf({ upstream, path }, query) {
      if (upstream === null) return "";
      return new URL(`proxy/${upstream}${path ?? ""}${query === "" ? "" : `?${query}`}`, page.root).href;
    },
  };
}

/** A request log that has nothing but the reason why. */
export function refusedRequests(message: string): RequestsSource {
  const refuse = () => Promise.reject(new Refused(message));
  return { subscribe: (listener) => refusing(message, listener), poll: refuse, detail: refuse, addressOf: () => "" };
}

/** A list that has nothing but the reason why. */
export function refusedWorkloads(message: string): WorkloadsSource {
  const refuse = () => Promise.reject(new Refused(message));
  return { subscribe: (listener) => refusing(message, listener), cancel: refuse, remove: refuse, again: refuse };
}

/** A source that has nothing but the reason why. */
export function refusedSource(workload: string, message: string): LogSource {
  return {
    workload,
    downloadUrl: "",
    subscribe: (_from, listener) => refusing(message, listener),
    records: () => Promise.reject(new Refused(message)),
    find: () => Promise.reject(new Refused(message)),
    cancel: () => Promise.reject(new Refused(message)),
  };
}

function refusing(message: string, listener: (event: HubEvent) => void): Subscription {
  const tell = () => listener({ kind: "state", rung: "error", message });
  queueMicrotask(tell); // not from within subscribe(): the caller has no handle yet
  return { close: () => {}, retryNow: tell };
}

async function checked(asked: Promise<Response>): Promise<Response> {
  const response = await asked;
  if (response.ok) return response;
  const body = (await response.json().catch(() => ({}))) as { message?: unknown };
  const reason = typeof body.message === "string" ? body.message : response.statusText;
  const text = `The server answered ${response.status}: ${reason || "no reason given"}`;
  if (response.status === 404) throw new Refused(`${GONE} (404): ${reason || "no reason given"}`);
  throw response.status === 403 ? new Refused(text) : new Error(text);
}
