// Sources of logs and of the list of workloads: live events from the hub, ranges and actions over HTTP. Page.
// Knows the routes of protocol v1; no DOM, no view.

import { PermanentError } from "../../protocol/errors.js";
import type { LogSource, LogSummary, MatchDensity } from "../../protocol/log-source.js";
import { filterOf, queryOf } from "../../protocol/stream.js";
import type { HubEvent, RecordPage, Subscription, Workload } from "../../protocol/types.js";
import { MAX_LISTED_WORKLOADS, type WorkloadsSource } from "../../protocol/workloads-source.js";
import { type Hub, pageHub } from "../hub.js";
import { currentPage, type Page } from "../page.js";
import { NOT_FOUND } from "../stream-errors.js";

/** The log of one workload of this server, or of the one that `page` and `hub` are connected to. */
export function workloadSource(workload: string, page: Page = currentPage(), hub: Hub = pageHub()): LogSource {
  const path = `v1/workloads/${encodeURIComponent(workload)}`;
  const json = async <T>(url: string, signal: AbortSignal) =>
    (await (await checked(page.request(url, { signal }))).json()) as T;
  return {
    workload,
    downloadUrl: new URL(`${path}/log.txt`, page.root).href,
    ...(page.isRelayed === true
      ? { download: async (signal) => (await checked(page.request(`${path}/log.txt`, { signal }))).blob() }
      : { exportUrl: new URL(`${path}/export?format=`, page.root).href }),
    subscribe: (from, listener) => hub.subscribe({ stream: `workload/${workload}`, ...from }, listener),
    page: ({ after = 0, offset, limit, ...filter }, signal) => {
      const from = offset === undefined ? `after=${after}` : `after=${after}&offset=${offset}`;
      return json<RecordPage>(`${path}/records?${from}&limit=${limit}${queryOf(filterOf(filter))}`, signal);
    },
    matchDensity: (filter, buckets, signal) =>
      json<MatchDensity>(`${path}/marks?buckets=${buckets}${queryOf(filterOf(filter))}`, signal),
    summary: (filter, buckets, signal) =>
      json<LogSummary>(`${path}/summary?buckets=${buckets}${queryOf(filterOf(filter))}`, signal),
    async seqs(filter, after, limit, signal) {
      const url = `${path}/matches?after=${after}&limit=${limit}${queryOf(filterOf(filter))}`;
      return (await json<{ seqs: readonly number[] }>(url, signal)).seqs;
    },
    async cancel() {
      const response = await checked(page.request(`${path}/cancel`, { method: "POST" }));
      await response.body?.cancel();
    },
  };
}

/** All workloads of the server, and the actions on them. */
export function workloadsSource(page: Page = currentPage(), hub: Hub = pageHub()): WorkloadsSource {
  const path = (id: string) => `v1/workloads/${encodeURIComponent(id)}`;
  const done = async (response: Promise<Response>) => void (await checked(response)).body?.cancel();
  return {
    // Always the same request, so that all lists of a page share one stream.
    subscribe: (listener) => hub.subscribe({ stream: "workloads", tail: MAX_LISTED_WORKLOADS }, listener),
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

/** A list that fails with this message. */
export function unavailableWorkloads(message: string): WorkloadsSource {
  const reject = () => Promise.reject(new PermanentError(message));
  return {
    subscribe: (listener) => failingSubscription(message, listener),
    cancel: reject,
    remove: reject,
    again: reject,
  };
}

/** A log that fails with this message. */
export function unavailableLog(workload: string, message: string): LogSource {
  return {
    workload,
    downloadUrl: "",
    subscribe: (_from, listener) => failingSubscription(message, listener),
    page: () => Promise.reject(new PermanentError(message)),
    matchDensity: () => Promise.reject(new PermanentError(message)),
    seqs: () => Promise.reject(new PermanentError(message)),
    cancel: () => Promise.reject(new PermanentError(message)),
  };
}

/** A subscription that only reports this error. */
export function failingSubscription(message: string, listener: (event: HubEvent) => void): Subscription {
  const report = () => listener({ kind: "state", rung: "error", message });
  queueMicrotask(report); // not from within subscribe(): the caller has no handle yet
  return { close: () => {}, retryNow: report };
}

/** The response if it is a success. Throws `PermanentError` if repeating the request is of no use, else `Error`. */
export async function checked(pending: Promise<Response>): Promise<Response> {
  const response = await pending;
  if (response.ok) return response;
  const body = (await response.json().catch(() => ({}))) as { message?: unknown };
  const reason = typeof body.message === "string" ? body.message : response.statusText;
  const text = `The server answered ${response.status}: ${reason || "no reason given"}`;
  if (response.status === 404) throw new PermanentError(`${NOT_FOUND} (404): ${reason || "no reason given"}`);
  // The request is at fault: a malformed expression, or one that takes too long on this log.
  if (response.status === 400 || response.status === 422) throw new PermanentError(reason);
  throw response.status === 403 ? new PermanentError(text) : new Error(text);
}
