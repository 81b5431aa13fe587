// Logs and the list of workloads as the views see them: live events from the hub, ranges and actions over HTTP.
// Knows the routes of protocol v1; no DOM, no view.

import { PermanentError } from "../../protocol/errors.js";
import type { LogSource, LogSummary, MatchDensity } from "../../protocol/log-source.js";
import { filterOf, queryOf } from "../../protocol/stream.js";
import type { HubEvent, RecordPage, Subscription, Workload } from "../../protocol/types.js";
import { MAX_LISTED_WORKLOADS, type WorkloadsSource } from "../../protocol/workloads-source.js";
import { GONE, type Hub, pageHub } from "../hub.js";
import { currentPage, type Page } from "../page.js";

export function workloadSource(workload: string, page: Page = currentPage(), hub: Hub = pageHub()): LogSource {
  const path = `v1/workloads/${encodeURIComponent(workload)}`;
  const json = async <T>(asked: string, signal: AbortSignal) =>
    (await (await checked(page.request(asked, { signal }))).json()) as T;
  return {
    workload,
    downloadUrl: new URL(`${path}/log.txt`, page.root).href,
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
      const asked = `${path}/matches?after=${after}&limit=${limit}${queryOf(filterOf(filter))}`;
      return (await json<{ seqs: readonly number[] }>(asked, signal)).seqs;
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

/** A list that has nothing but the reason why. */
export function unavailableWorkloads(message: string): WorkloadsSource {
  const refuse = () => Promise.reject(new PermanentError(message));
  return { subscribe: (listener) => refusing(message, listener), cancel: refuse, remove: refuse, again: refuse };
}

/** A source that has nothing but the reason why. */
export function unavailableLog(workload: string, message: string): LogSource {
  return {
    workload,
    downloadUrl: "",
    subscribe: (_from, listener) => refusing(message, listener),
    page: () => Promise.reject(new PermanentError(message)),
    matchDensity: () => Promise.reject(new PermanentError(message)),
    seqs: () => Promise.reject(new PermanentError(message)),
    cancel: () => Promise.reject(new PermanentError(message)),
  };
}

/** Tells whoever listens why there is nothing. */
export function refusing(message: string, listener: (event: HubEvent) => void): Subscription {
  const tell = () => listener({ kind: "state", rung: "error", message });
  queueMicrotask(tell); // not from within subscribe(): the caller has no handle yet
  return { close: () => {}, retryNow: tell };
}

/** The answer, if it is one; throws `PermanentError` where asking again is of no use. */
export async function checked(asked: Promise<Response>): Promise<Response> {
  const response = await asked;
  if (response.ok) return response;
  const body = (await response.json().catch(() => ({}))) as { message?: unknown };
  const reason = typeof body.message === "string" ? body.message : response.statusText;
  const text = `The server answered ${response.status}: ${reason || "no reason given"}`;
  if (response.status === 404) throw new PermanentError(`${GONE} (404): ${reason || "no reason given"}`);
  // The question is at fault: a malformed expression, or one that takes too long on this log.
  if (response.status === 400 || response.status === 422) throw new PermanentError(reason);
  throw response.status === 403 ? new PermanentError(text) : new Error(text);
}
