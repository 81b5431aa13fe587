// Time column: the time of a line by the clock, since the start, or since the previous line. Page; pure, no DOM.

import type { LogRecord } from "../protocol/types.js";

export const TIMES = ["none", "clock", "start", "delta"] as const;
export type Times = (typeof TIMES)[number];

/** Width of the column in characters, fixed so that the layout does not shift. */
export const WIDTHS: { readonly [times in Times]: number } = { none: 0, clock: 12, start: 12, delta: 9 };

const two = (n: number) => String(Math.floor(n)).padStart(2, "0");

/** The time of a record. `since`: Unix ms of the workload's start or the previous record; "" if it is needed but unknown. */
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
