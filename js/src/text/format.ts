// Numbers, durations and states in words: pure functions, shared by all views. No DOM.

import type { Status, Workload, WorkloadState } from "../protocol/types.js";
import { isFinal } from "../protocol/types.js";

const GROUPED = new Intl.NumberFormat("en-US");

export function thousands(n: number): string {
  return GROUPED.format(n);
}

export function duration(ms: number): string {
  if (ms < 10_000) return `${(Math.max(0, ms) / 1000).toFixed(1)} s`;
  const seconds = Math.floor(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const two = (n: number) => String(n).padStart(2, "0");
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}m ${two(seconds % 60)}s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours}h ${two(minutes % 60)}m`;
  return `${Math.floor(hours / 24)}d ${two(hours % 24)}h`;
}

/** How long it has run, or ran; nothing before it starts. `now` is in the server's time. */
export function elapsed(job: Workload | undefined, now: number): string {
  const from = job?.started;
  if (job === undefined || from === null || from === undefined) return "";
  return duration((job.ended ?? now) - from);
}

/** How long ago, in a word or two: `ms` before now. */
export function ago(ms: number): string {
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 1) return "just now"; // the duration beside it counts seconds
  if (minutes < 60) return `${minutes}m ago`;
  const hours = Math.floor(minutes / 60);
  return hours < 24 ? `${hours}h ago` : `${Math.floor(hours / 24)}d ago`;
}

/** What a badge shows: always a sign and a word, the colour (tone) only repeats them. */
export interface Badge {
  readonly tone: "busy" | "live" | "good" | "bad" | "warn" | "off";
  readonly sign: "dot" | "ring" | "retry" | "check" | "cross" | "slash" | "clock" | "question";
  readonly label: string;
  readonly detail: string;
}

const STATES: { readonly [state in WorkloadState]: Omit<Badge, "detail"> } = {
  queued: { tone: "busy", sign: "ring", label: "Queued" },
  running: { tone: "live", sign: "dot", label: "Running" },
  succeeded: { tone: "good", sign: "check", label: "Done" },
  failed: { tone: "bad", sign: "cross", label: "Failed" },
  cancelled: { tone: "off", sign: "slash", label: "Cancelled" },
  timed_out: { tone: "bad", sign: "clock", label: "Timed out" },
  lost: { tone: "warn", sign: "question", label: "Lost" },
};

/** A state by itself, wherever it is shown; one that a newer server may know is shown by its name. */
export function stateBadge(state: WorkloadState): Omit<Badge, "detail"> {
  return STATES[state] ?? { tone: "off", sign: "question", label: state };
}

export function badge(job: Workload | undefined, status: Status, now: number): Badge {
  const final = job === undefined || !isFinal(job.state) ? undefined : stateBadge(job.state);
  if (status.rung === "error") return { tone: "bad", sign: "cross", label: "Not available", detail: "" };
  if (final !== undefined && job !== undefined) return { ...final, detail: ending(job) };
  switch (status.rung) {
    case "reconnecting":
      return { tone: "warn", sign: "retry", label: "Reconnecting", detail: countdown(status, now) };
    case "polling":
      return { tone: "warn", sign: "retry", label: "Polling", detail: "" };
    case "connecting":
      return { tone: "busy", sign: "ring", label: "Connecting", detail: "" };
    default:
      if (job?.state === "queued") return { ...stateBadge("queued"), detail: "" };
      return { tone: "live", sign: "dot", label: "Live", detail: "" };
  }
}

function countdown(status: Status, now: number): string {
  const left = Math.ceil(((status.retryAt ?? 0) - now) / 1000);
  return left > 0 ? `in ${left} s` : "…";
}

/** The signals a workload really dies of; others keep their number. */
const SIGNALS: { readonly [number: number]: string } = {
  1: "SIGHUP",
  2: "SIGINT",
  3: "SIGQUIT",
  4: "SIGILL",
  6: "SIGABRT",
  8: "SIGFPE",
  9: "SIGKILL",
  11: "SIGSEGV",
  13: "SIGPIPE",
  15: "SIGTERM",
};

/** What it ended with: its exit code, or the signal. */
export function ending(job: Workload): string {
  if (job.signal !== null && job.signal !== undefined) {
    return typeof job.signal === "number" ? (SIGNALS[job.signal] ?? `signal ${job.signal}`) : job.signal;
  }
  return job.exit_code === null || job.exit_code === undefined ? "" : `exit ${job.exit_code}`;
}

export function commandOf(job: Workload | undefined): string {
  const command = job?.command ?? "";
  return typeof command === "string" ? command : command.join(" ");
}
