// Numbers, durations, states and signals in words, shared by all views. Pure; no DOM.
// A saved notebook has the same words (jupyter_logstream/text/wording.py); tests/vectors/durations.json and states.json
// test both.

import type { KernelState, Status, Workload, WorkloadState } from "../protocol/types.js";
import { isFinal } from "../protocol/types.js";

const GROUPED = new Intl.NumberFormat("en-US");

export function thousands(n: number): string {
  return GROUPED.format(n);
}

/** A duration by its two largest units, rounded down: `4.2 s`, `2m 05s`, `1h 02m`, `2d 01h`. */
export function duration(ms: number): string {
  const tenths = Math.floor(Math.max(0, ms) / 100);
  if (tenths < 100) return `${Math.floor(tenths / 10)}.${tenths % 10} s`;
  const seconds = Math.floor(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const two = (n: number) => String(n).padStart(2, "0");
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}m ${two(seconds % 60)}s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours}h ${two(minutes % 60)}m`;
  return `${Math.floor(hours / 24)}d ${two(hours % 24)}h`;
}

/** The run time of a workload so far; "" before it starts. `now`: the server's time in Unix ms. */
export function elapsed(job: Workload | undefined, now: number): string {
  const from = job?.started;
  if (job === undefined || from === null || from === undefined) return "";
  return duration((job.ended ?? now) - from);
}

/** The age of an event that happened `ms` ago: `just now`, `5m ago`, `2d ago`. */
export function ago(ms: number): string {
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 1) return "just now";
  if (minutes < 60) return `${minutes}m ago`;
  const hours = Math.floor(minutes / 60);
  return hours < 24 ? `${hours}h ago` : `${Math.floor(hours / 24)}d ago`;
}

/** The parts of a badge. Sign and label carry the meaning; the colour (`tone`) repeats it. */
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

/** The badge of a state. A state that only a newer server has is shown by its name. */
export function stateBadge(state: WorkloadState): Omit<Badge, "detail"> {
  return STATES[state] ?? { tone: "off", sign: "question", label: state };
}

const LOST_LINK: Omit<Badge, "detail"> = { tone: "warn", sign: "retry", label: "Connection lost" };
const STOPPING: Omit<Badge, "detail"> = { tone: "busy", sign: "dot", label: "Stopping" };

/** The badge of a workload: of its state, `Stopping` while the processes of a cancelled one end, and of a lost connection. */
export function workloadBadge({
  state,
  reason,
  link,
}: Pick<Workload, "state" | "reason" | "link">): Omit<Badge, "detail"> {
  if (link) return { ...LOST_LINK, label: stateBadge(state).label };
  return state === "running" && reason === "stopping" ? STOPPING : stateBadge(state);
}

/** What a view adds to its state while it is connected through the kernel. */
const KERNEL_DETAILS: { readonly [state in KernelState]: string } = {
  waiting: "waiting for the kernel",
  gone: "the kernel does not answer or has ended",
};

export function badge(job: Workload | undefined, status: Status, now: number): Badge {
  const shown = connectionBadge(job, status, now);
  if (status.kernel === undefined || status.rung === "error") return shown;
  const detail = [shown.detail, KERNEL_DETAILS[status.kernel]].filter(Boolean).join(", ");
  const isCut = status.kernel === "gone" && (job === undefined || !isFinal(job.state));
  return isCut
    ? { tone: "warn", sign: "retry", label: "Disconnected", detail: KERNEL_DETAILS.gone }
    : { ...shown, detail };
}

function connectionBadge(job: Workload | undefined, status: Status, now: number): Badge {
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
      return openBadge(job);
  }
}

/** The badge of a workload that has not ended, over a stream that is live. */
function openBadge(job: Workload | undefined): Badge {
  const isQueued = job?.state === "queued";
  if (job?.link) return { ...LOST_LINK, ...(isQueued && { label: "No connection" }), detail: "" };
  if (isQueued) return { ...stateBadge("queued"), detail: job.reason ?? "" };
  if (job?.reason === "stopping") return { ...STOPPING, detail: "" };
  return { tone: "live", sign: "dot", label: "Live", detail: job?.reason ?? "" };
}

function countdown(status: Status, now: number): string {
  const left = Math.ceil(((status.retryAt ?? 0) - now) / 1000);
  return left > 0 ? `in ${left} s` : "…";
}

/** The signals that commonly end a workload, numbered alike on Linux and macOS; others keep their number. */
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

/** How a workload's process ended: `exit code 3`, `SIGKILL`, `signal 40`; "" if unknown. The signal takes precedence. */
export function ending({ exit_code, signal }: Pick<Workload, "exit_code" | "signal">): string {
  if (typeof signal === "number") return SIGNALS[signal] ?? `signal ${signal}`;
  if (signal !== null && signal !== undefined) return signal;
  return exit_code === null || exit_code === undefined ? "" : `exit code ${exit_code}`;
}

/** State, ending and reason in one phrase: `Failed (exit code 1)`, `Queued (Resources)`. */
export function stateSummary(job: Pick<Workload, "state" | "exit_code" | "signal" | "reason">): string {
  const details = [ending(job), job.reason].filter(Boolean).join(", ");
  const { label } = stateBadge(job.state);
  return details === "" ? label : `${label} (${details})`;
}

/** The command as typed in a shell, or the call of a function. */
export function commandOf(job: Workload | undefined): string {
  const command = job?.call ?? job?.command ?? "";
  return typeof command === "string" ? command : command.join(" ");
}

/** The value that a function returned: `-> 0.93`, with its type where the text does not show it; "" without one. */
export function resultText(job: Workload | undefined): string {
  if (job?.result?.kind !== "value") return "";
  const { type, repr } = job.result;
  const isShown = PLAIN_TYPES.has(type) || repr.startsWith(type.slice(type.lastIndexOf(".") + 1));
  return isShown ? `→ ${repr}` : `→ ${type} ${repr}`;
}

/** Python's types whose values show by their form what they are. */
const PLAIN_TYPES: ReadonlySet<string> = new Set(["int", "float", "str", "bool", "NoneType", "list", "dict", "tuple"]);
