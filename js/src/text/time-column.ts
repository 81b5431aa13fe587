// The time column: when a line was written, by the clock, since the start, or since the line before. Pure functions; no DOM.

import type { LogRecord } from "../protocol/types.js";

export const TIMES = ["none", "clock", "start", "delta"] as const;
export type Times = (typeof TIMES)[number];

/** Characters of the column, so that nothing moves as lines come. */
export const WIDTHS: { readonly [times in Times]: number } = { none: 0, clock: 12, start: 12, delta: 9 };

const two = (n: number) => String(Math.floor(n)).padStart(2, "0");

/** `since`: the workload's start, or the record before; undefined where that isn't known: then nothing. */
export function stamp(times: Times, record: LogRecord, since: number | undefined): string | undefined {
  if (times === "none") return undefined;
  if (times === "clock") return clock(new Date(record.ts));
  if (since === undefined) return "";
  return times === "start" ? `+${elapsed(Math.max(0, record.ts - since))}` : delta(record.ts - since);
}

function clock(date: Date): string {
  const ms = String(date.getMilliseconds()).padStart(3, "0");
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${ms}`;
}

function elapsed(ms: number): string {
  const seconds = ms / 1000;
  const rest = (seconds % 60).toFixed(2).padStart(5, "0");
  return seconds < 3600
    ? `${two(seconds / 60)}:${rest}`
    : `${Math.floor(seconds / 3600)}:${two((seconds / 60) % 60)}:${two(seconds % 60)}`;
}

function delta(ms: number): string {
  const size = Math.abs(ms);
  const sign = ms < 0 ? "-" : "+";
  if (size < 1) return "·";
  if (size < 1000) return `${sign}${Math.round(size)} ms`;
  if (size < 100_000) return `${sign}${(size / 1000).toFixed(1)} s`;
  return size < 6_000_000 ? `${sign}${Math.round(size / 60_000)} min` : `${sign}${Math.round(size / 3_600_000)} h`;
}
