// The name of a stream and what may be asked of it: pure functions of a request. Knows no connection and no listener.

import type { Level, StreamFilter, StreamRequest } from "./types.js";

const STREAM = /^(?:workload\/[A-Za-z0-9_-]{1,64}|workloads|requests|service)$/;

/** A filter as it is sent, in an order that doesn't depend on who asks. */
export type Filter = { readonly [option: string]: string | readonly Level[] };

export function isStream(name: string): boolean {
  return STREAM.test(name);
}

/** The id of the workload whose log it is, or undefined. */
export function workloadOf(stream: string): string | undefined {
  return stream.startsWith("workload/") ? stream.slice("workload/".length) : undefined;
}

/** Has it neither an end nor ranges? */
export function isEndless(stream: string): boolean {
  return workloadOf(stream) === undefined;
}

/** Is there a way to follow it without a stream? */
export function isPolled(stream: string): boolean {
  return stream === "workloads" || stream === "requests" || !isEndless(stream);
}

export function filterOf({ level, levels, step, source, q, not }: StreamFilter): Filter {
  const chosen = levels === undefined ? undefined : [...new Set(levels)].sort();
  const options = Object.entries({ level, levels: chosen, step, source, q, not });
  return Object.fromEntries(options.filter(([, value]) => value !== undefined)) as Filter;
}

/**
 * Requests of one key can share a stream. Where a workload's begins doesn't matter, since its history can be had by
 * range; of an endless one there is nothing but what was asked for.
 */
export function keyOf(request: StreamRequest): string {
  const filter: { [option: string]: unknown } = { ...filterOf(request) };
  if (isEndless(request.stream) && request.tail !== undefined) filter["tail"] = request.tail;
  return Object.keys(filter).length === 0 ? request.stream : `${request.stream} ${JSON.stringify(filter)}`;
}

/** A filter as part of a query, with a leading "&" where there is one. */
export function queryOf(filter: Filter): string {
  return Object.entries(filter)
    .map(([name, value]) => `&${name}=${encodeURIComponent(String(value))}`)
    .join("");
}
