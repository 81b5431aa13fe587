// Names of streams, and filters as requests. Page and shared worker. Pure functions.

import type { Level, StreamFilter, StreamRequest } from "./types.js";

const STREAM = /^(?:workload\/[A-Za-z0-9_-]{1,64}|workloads|requests|service)$/;

/** A filter as it is sent: only the options given, in a fixed order. */
export type Filter = { readonly [option: string]: string | readonly Level[] };

export function isStream(name: string): boolean {
  return STREAM.test(name);
}

/** The id of the workload whose log it is, or undefined. */
export function workloadOf(stream: string): string | undefined {
  return stream.startsWith("workload/") ? stream.slice("workload/".length) : undefined;
}

/** Is it a stream without an end and without ranges (all but workload logs)? */
export function isEndless(stream: string): boolean {
  return workloadOf(stream) === undefined;
}

/** Can it be polled? */
export function isPolled(stream: string): boolean {
  return stream === "workloads" || stream === "requests" || !isEndless(stream);
}

export function filterOf({ level, levels, step, source, q, not }: StreamFilter): Filter {
  const chosen = levels === undefined ? undefined : [...new Set(levels)].sort();
  const options = Object.entries({ level, levels: chosen, step, source, q, not });
  return Object.fromEntries(options.filter(([, value]) => value !== undefined)) as Filter;
}

/**
 * Requests with the same key share a stream. The start of a workload log is no part of the key, since its history is
 * available by range; the tail of an endless stream is.
 */
export function keyOf(request: StreamRequest): string {
  const filter: { [option: string]: unknown } = { ...filterOf(request) };
  if (isEndless(request.stream) && request.tail !== undefined) filter["tail"] = request.tail;
  return Object.keys(filter).length === 0 ? request.stream : `${request.stream} ${JSON.stringify(filter)}`;
}

/** A filter as query parameters, each with a leading "&". */
export function queryOf(filter: Filter): string {
  return Object.entries(filter)
    .map(([name, value]) => `&${name}=${encodeURIComponent(String(value))}`)
    .join("");
}
